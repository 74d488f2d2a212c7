/**
 * Where nodes are served: who may come in, and as whom. With certificates each end proves who it is (mutual TLS) and
 * a node is who its certificate says; without, only this machine is served, and a node is who it says it is. What they
 * ask is the methods' business.
 *
 *   TCP ─▶ TLS 1.3, a client certificate of the CA ─▶ node id ─▶ HTTP/2 (http2-connection.ts) ─▶ methods
 *            │ none, another CA's, expired, slow        │ a client's, two ids
 *            ╰──────────── refused, counted ────────────╯
 */
import { constants, type X509Certificate } from 'node:crypto';
import { createServer as createNetServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { Logger } from 'pino';
import { brainIdentity, brainIdPattern } from '../../pure/identity/brain-identity.js';
import { nodeIdExpected, nodeIdentity, nodeIdPattern } from '../../pure/identity/node-identity.js';
import { formatAddress } from '../../pure/plan/address.js';
import type { Room } from '../../pure/rpc/gathered.js';
import { Overdue } from '../../pure/rpc/overdue.js';
import { Rooms } from '../../pure/rpc/rooms.js';
import type { Caller, Method } from '../../pure/rpc/rpc.js';
import { type ConnectionOptions, Http2Connection } from './http2-connection.js';
import { certificatesOf, isIssuedBy, type PeerCertificate, peerCertificate } from './peer-certificate.js';
import type { Exhaustion, RpcStream } from './rpc-stream.js';

/** Why a connection was refused before it could ask anything. */
export type RefusalReason =
  | 'no_certificate'
  | 'expired_certificate'
  | 'untrusted_certificate'
  | 'not_a_node'
  | 'not_tls'
  | 'handshake_timeout'
  | 'too_many';

/** PEM. They have been checked. */
export interface Credentials {
  readonly chain: Uint8Array;
  readonly key: Uint8Array;
  /** Whose certificates are those of nodes. */
  readonly clientCa: Uint8Array;
}

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

/** The headers by which a node or a brain names itself where it cannot prove it. */
const nodeHeader = 'x-sluice-node';
const brainHeader = 'x-sluice-brain';

/** Each node has one for configuration and one a worker thread. */
const maxConnections = 32_768;
const maxConnectionsOfNode = 512;
/** Messages that are not whole yet, over all connections and calls. One of the largest that a method takes has half of a node's. */
const partialBytes = { ofEach: 64 << 20, ofAll: 256 << 20 };
/** Who takes longer is not there, or not one of ours. */
const handshakeMs = 5_000;
/** In their handshake at once; the oldest gives way. */
const maxHandshakes = 1_024;
/**
 * Nodes that vanish or stand still are noticed after two of these, at the latest three: until then their clients that wait are
 * granted what they cannot use. As soon as nodes notice a brain (`connection_keepalive` of their bootstrap).
 */
const lookMs = 1_000;
/** So many looks a message has from its first byte to its last, and a call of one message from its opening. */
const messageLooks = 10;
/** So long before its certificate ends a channel takes no more calls: the node's next one proves itself anew. */
const farewellMs = 60_000;

interface Open {
  readonly connection: Http2Connection;
  /** `node edge-1`, `brain one`; undefined in plaintext. */
  readonly node: string | undefined;
  readonly certificate: PeerCertificate | undefined;
}

export class Channel {
  readonly #options: ChannelOptions;
  readonly #methods: ReadonlyMap<string, Method>;
  readonly #server: Server | TlsServer;
  readonly #open = new Set<Open>();
  readonly #countOfNode = new Map<string, number>();
  /** By `address:port` of the other end, the oldest first. */
  readonly #handshakes = new Map<string, Socket>();
  readonly #rooms = new Rooms(partialBytes);
  readonly #awaited = new Overdue<RpcStream>(messageLooks);
  readonly #looking: NodeJS.Timeout;
  #lookedMs = performance.now();
  #isDraining = false;
  #drained: () => void = () => undefined;

  private constructor(options: ChannelOptions) {
    this.#options = options;
    this.#methods = new Map(options.methods.map((method) => [method.path, method]));
    this.#server = options.credentials ? this.#tlsServer(options.credentials) : this.#plainServer();
    this.#server.maxConnections = maxConnections;
    this.#server.on('drop', (data) =>
      this.#refuse('too_many', endOf(data ?? {}), `${maxConnections} are open`),
    );
    this.#looking = setInterval(() => this.#look(), lookMs);
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
    (this.#server as TlsServer).setSecureContext(contextOf(credentials));
    const cas: readonly X509Certificate[] = certificatesOf(credentials.clientCa);
    for (const { connection, certificate, node } of [...this.#open]) {
      if (!certificate || isIssuedBy(certificate, cas)) continue;
      this.#options.log.warn({ node }, 'the CA of a node was taken away: its channel is closed');
      connection.destroy();
    }
  }

  /** No new connections and calls. Resolves when the open ones have ended. */
  drain(): Promise<void> {
    this.#isDraining = true;
    this.#server.close();
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    for (const { connection } of [...this.#open]) connection.drain();
    if (this.#open.size === 0) this.#drained();
    return drained;
  }

  /** Ends every connection, as a brain that dies does; whoever comes again is served. */
  breakOff(): void {
    for (const { connection } of [...this.#open]) connection.destroy();
  }

  destroy(): void {
    clearInterval(this.#looking);
    this.#server.close();
    for (const socket of [...this.#handshakes.values()]) socket.destroy();
    for (const { connection } of [...this.#open]) connection.destroy();
  }

  #plainServer(): Server {
    return createNetServer((socket) => {
      const peer = endOf(socket);
      let last: Caller | undefined;
      this.#serve(socket, undefined, undefined, (header) => {
        const brain = header(brainHeader);
        if (brain !== undefined && brainIdPattern.test(brain)) return { node: '', brain, peer };
        const node = header(nodeHeader) ?? '';
        if (last?.node === node) return last;
        if (!nodeIdPattern.test(node)) return `expected the header ${nodeHeader} with ${nodeIdExpected}`;
        last = { node, peer };
        return last;
      });
    });
  }

  #tlsServer(credentials: Credentials): TlsServer {
    const server = createTlsServer({
      ...contextOf(credentials),
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ['h2'],
      handshakeTimeout: handshakeMs,
    });
    server.on('connection', (socket: Socket) => this.#shakeHands(socket));
    server.on('secureConnection', (socket) => this.#admit(socket));
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      const found = socket.authorizationError
        ? String(socket.authorizationError)
        : (error.code ?? error.message);
      this.#refuse(reasonOf(found), endOfClosed(socket), found);
      socket.destroy();
    });
    return server;
  }

  #shakeHands(socket: Socket): void {
    const end = endOf(socket);
    socket.once('close', () => {
      if (this.#handshakes.get(end) === socket) this.#handshakes.delete(end);
    });
    this.#handshakes.set(end, socket);
    if (this.#handshakes.size <= maxHandshakes) return;
    const [oldest, crowded] = this.#handshakes.entries().next().value!;
    this.#handshakes.delete(oldest);
    crowded.destroy();
  }

  #admit(socket: TLSSocket): void {
    const peer = endOf(socket);
    this.#handshakes.delete(peer);
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
    const { subjectAltName } = certificate.leaf;
    const brain = brainIdentity(subjectAltName);
    const identity = nodeIdentity(subjectAltName);
    if (brain === undefined && identity.kind === 'nobody') {
      turnAway('not_a_node', identity.found);
      return;
    }
    const who = brain ?? (identity.kind === 'node' ? identity.node : '');
    const caller: Caller = brain === undefined ? { node: who, peer } : { node: '', brain, peer };
    const name = nameOf(caller);
    const count = this.#countOfNode.get(name) ?? 0;
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
      awaited: this.#awaited,
      room: (caller) => {
        if (caller !== last?.caller) last = { caller, room: this.#rooms.of(nameOf(caller)) };
        return last.room;
      },
    });
    const open: Open = { connection, node, certificate };
    this.#open.add(open);
    this.#count(node, 1);
    socket.once('close', () => {
      this.#open.delete(open);
      this.#count(node, -1);
      if (this.#isDraining && this.#open.size === 0) this.#drained();
    });
    if (this.#isDraining) connection.drain();
  }

  #count(node: string | undefined, by: 1 | -1): void {
    if (node === undefined) return;
    const count = (this.#countOfNode.get(node) ?? 0) + by;
    if (count > 0) this.#countOfNode.set(node, count);
    else this.#countOfNode.delete(node);
  }

  #look(): void {
    const nowMs = Date.now();
    // Who stood still himself has not read yet what came meanwhile.
    const stoodStill = performance.now() - this.#lookedMs > 2 * lookMs;
    this.#lookedMs = performance.now();
    if (!stoodStill) for (const call of this.#awaited.look()) call.overdue();
    for (const { connection, certificate, node } of [...this.#open]) {
      if (!stoodStill) connection.look();
      const leftMs = certificate ? certificate.validToMs - nowMs : Number.POSITIVE_INFINITY;
      if (leftMs <= 0) {
        this.#options.log.warn({ node }, 'the certificate of a node has expired: its channel is closed');
        connection.destroy();
      } else if (leftMs <= farewellMs) connection.drain();
    }
  }

  #refuse(reason: RefusalReason, peer: string, found: string): void {
    this.#options.refused(reason, peer, found.slice(0, 300));
  }
}

/** Of a brain or a node, which may be called the same. */
const nameOf = ({ node, brain }: Caller): string => (brain === undefined ? `node ${node}` : `brain ${brain}`);

/** Without tickets: a resumed session would not be held against the CA of its time. */
function contextOf({ chain, key, clientCa }: Credentials) {
  return {
    cert: Buffer.from(chain),
    key: Buffer.from(key),
    ca: Buffer.from(clientCa),
    minVersion: 'TLSv1.3' as const,
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** By OpenSSL's and Node's own codes. */
function reasonOf(code: string): RefusalReason {
  if (code.includes('HAS_EXPIRED')) return 'expired_certificate';
  if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return 'no_certificate';
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'handshake_timeout';
  if (code.startsWith('ERR_') || code === 'ECONNRESET' || code === 'EPROTO') return 'not_tls';
  return 'untrusted_certificate';
}

/**
 * Of a TLS socket that Node has closed by itself, over a certificate that it does not trust: it no longer knows its other
 * end, and the socket below it does, which was asked while it was open. Node keeps that one to itself.
 */
function endOfClosed(socket: TLSSocket): string {
  const { _parent: below } = socket as unknown as { readonly _parent?: Socket };
  return endOf(socket.remoteAddress === undefined && below ? below : socket);
}

function endOf(socket: {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}): string {
  return formatAddress({ host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 });
}
