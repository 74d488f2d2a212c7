/**
 * Where nodes are served: who may come in, and as whom. With certificates each end proves who it is (mutual TLS) and
 * a node is who its certificate says; without, only this machine is served, and a node is who it says it is. What they
 * ask is the methods' business, how open connections end that of open-connections.ts.
 *
 *   TCP ─▶ TLS 1.3, a client certificate of the CA ─▶ node id ─▶ HTTP/2 (http2-connection.ts) ─▶ methods
 *            │ none, another CA's, expired, slow        │ a client's, two ids
 *            ╰──────────── refused, counted ────────────╯
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import { formatAddress } from '../../pure/plan/address.js';
import type { Room } from '../../pure/rpc/gathered.js';
import { Rooms } from '../../pure/rpc/rooms.js';
import type { Caller, Method } from '../../pure/rpc/rpc.js';
import { identifyByHeader, identityByCertificate, nameOf } from './caller-identity.js';
import { type ConnectionOptions, Http2Connection } from './http2-connection.js';
import { OpenConnections } from './open-connections.js';
import { endOf } from './peer-address.js';
import { certificatesOf, type PeerCertificate, peerCertificate } from './peer-certificate.js';
import type { Exhaustion } from './rpc-stream.js';
import { type Credentials, type RefusalReason, TlsHandshakes } from './tls-handshakes.js';

export interface ChannelOptions {
  /** IP address; port 0 is any free one. */
  readonly host: string;
  readonly port: number;
  /** Absent: plaintext, for loopback only, which is for the caller to see to. */
  readonly credentials?: Credentials;
  // biome-ignore lint/suspicious/noExplicitAny: each method has a message of its own
  readonly methods: readonly Method<any>[];
  readonly log: Logger;
  /** Whether there is anything to serve: until then whoever comes is sent away, to another brain. Always unless given. */
  readonly serves?: () => boolean;
  /** Each who comes and is nobody. `found`: for the log. */
  readonly refused: (reason: RefusalReason, peer: string, found: string) => void;
  readonly exhausted: (exhaustion: Exhaustion) => void;
}

/** Each node has one for configuration and one a worker thread. */
const maxConnections = 32_768;
const maxConnectionsOfNode = 512;
/** Messages that are not whole yet, over all connections and calls. One of the largest that a method takes has half of a node's. */
const partialBytes = { ofEach: 64 << 20, ofAll: 256 << 20 };

export class Channel {
  readonly #options: ChannelOptions;
  readonly #methods: ReadonlyMap<string, Method>;
  readonly #handshakes: TlsHandshakes | undefined;
  readonly #server: Server;
  readonly #connections: OpenConnections;
  readonly #rooms = new Rooms(partialBytes);

  private constructor(options: ChannelOptions) {
    this.#options = options;
    this.#methods = new Map(options.methods.map((method) => [method.path, method]));
    this.#handshakes =
      options.credentials &&
      new TlsHandshakes(options.credentials, {
        completed: (socket, peer) => this.#admit(socket, peer),
        refused: (reason, peer, found) => this.#refuse(reason, peer, found),
      });
    this.#server = this.#handshakes?.server ?? this.#plainServer();
    this.#server.maxConnections = maxConnections;
    this.#server.on('drop', (data) =>
      this.#refuse('too_many', endOf(data ?? {}), `${maxConnections} are open`),
    );
    this.#connections = new OpenConnections(options.log);
  }

  /** @throws Error in words for the operator when the address can't be had */
  static async listen(options: ChannelOptions): Promise<Channel> {
    const channel = new Channel(options);
    const { host, port } = options;
    try {
      await new Promise<void>((resolve, reject) => {
        channel.#server.once('error', reject);
        channel.#server.listen({ host, port, backlog: 4096 }, () => {
          channel.#server.off('error', reject);
          resolve();
        });
      });
    } catch (error) {
      channel.destroy();
      throw new Error(
        `cannot serve nodes at ${formatAddress({ host, port })} (--xds): ${(error as Error).message}`,
      );
    }
    return channel;
  }

  /** That was really taken. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  /** Held of messages that are not whole yet. */
  get partialBytes(): number {
    return this.#rooms.taken;
  }

  /** For those who come from now on. Channels stay, but for those of nodes that no CA of these stands behind any more. */
  replaceCredentials(credentials: Credentials): void {
    this.#handshakes!.replaceCredentials(credentials);
    this.#connections.keepIssuedBy(certificatesOf(credentials.clientCa));
  }

  /** No new connections and calls. Resolves when the open ones have ended. */
  drain(): Promise<void> {
    this.#server.close();
    return this.#connections.drain();
  }

  /** Ends every connection, as a brain that dies does; whoever comes again is served. */
  breakOff(): void {
    this.#connections.breakOff();
  }

  destroy(): void {
    this.#server.close();
    this.#handshakes?.destroy();
    this.#connections.destroy();
  }

  #plainServer(): Server {
    return createServer((socket) =>
      this.#serve(socket, undefined, undefined, identifyByHeader(endOf(socket))),
    );
  }

  #admit(socket: TLSSocket, peer: string): void {
    const certificate = peerCertificate(socket);
    const turnAway = (reason: RefusalReason, found: string): void => {
      socket.on('error', () => undefined);
      socket.destroy();
      this.#refuse(reason, peer, found);
    };
    // TLS has seen to both; without them nobody would be served as anybody.
    if (!socket.authorized || !certificate) {
      turnAway('no_certificate', 'none');
      return;
    }
    const identity = identityByCertificate(certificate, peer);
    if (identity.kind === 'nobody') {
      turnAway('not_a_node', identity.found);
      return;
    }
    const { caller } = identity;
    const name = nameOf(caller);
    const count = this.#connections.countOf(name);
    if (count >= maxConnectionsOfNode) {
      turnAway('too_many', `${count} connections of ${name}`);
      return;
    }
    this.#serve(socket, name, certificate, () => caller);
  }

  #serve(
    socket: Socket,
    node: string | undefined,
    certificate: PeerCertificate | undefined,
    identify: ConnectionOptions['identify'],
  ): void {
    if (this.#options.serves?.() === false) {
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    let last: { readonly caller: Caller; readonly room: Room } | undefined;
    const connection = new Http2Connection(socket, {
      methods: this.#methods,
      identify,
      broken: (path, error) => this.#options.log.error({ path, err: error }, 'a method has failed'),
      exhausted: this.#options.exhausted,
      awaited: this.#connections.awaited,
      room: (caller) => {
        if (caller !== last?.caller) last = { caller, room: this.#rooms.of(nameOf(caller)) };
        return last.room;
      },
    });
    this.#connections.add({ connection, node, certificate }, socket);
  }

  #refuse(reason: RefusalReason, peer: string, found: string): void {
    this.#options.refused(reason, peer, found.slice(0, 300));
  }
}
