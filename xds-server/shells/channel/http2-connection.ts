/**
 * One HTTP/2 connection of a node (node:http2) and the gRPC calls on it (rpc-stream.ts): who calls what, and when an
 * end that has fallen silent is given up. What a call means is not known here.
 */
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { type Caller, type Method, Status } from '../../pure/rpc/rpc.js';
import { RpcStream, type StreamOptions } from './rpc-stream.js';

/** A method that throws is a bug: its call ends, the rest goes on. */
export interface ConnectionOptions extends StreamOptions {
  readonly methods: ReadonlyMap<string, Method>;
  /** Who calls. @returns a text that says why that is nobody. */
  identify(header: (name: string) => string | undefined): Caller | string;
}

/** Streams at once: more than checks may ever be held. */
const maxStreams = 131_072;
/** Names and values of one request. Envoy's have less than 1 KiB. */
const maxHeaderBytes = 16_384;
/** What a stream, and all of them, may send before it is taken in, which is at once. */
const windowBytes = 1 << 20;
/** Of one connection, in megabytes; past it node:http2 refuses what it would have to remember. */
const maxMemoryMb = 256;

export class Http2Connection {
  readonly #session: ServerHttp2Session;
  #streams = 0;
  #alive: 'yes' | 'asked' | 'unknown' = 'yes';

  constructor(socket: Socket, options: ConnectionOptions) {
    const session = http2.performServerHandshake(socket, {
      settings: {
        maxConcurrentStreams: maxStreams,
        initialWindowSize: windowBytes,
        maxHeaderListSize: maxHeaderBytes,
        enablePush: false,
      },
      maxSessionMemory: maxMemoryMb,
      maxHeaderListPairs: 128,
    });
    this.#session = session;
    session.setLocalWindowSize(windowBytes);
    socket.setNoDelay(true);
    // 'close' follows.
    session.on('error', () => undefined);
    session.on('stream', (stream, headers) => {
      this.#alive = 'yes';
      this.#streams += 1;
      stream.once('close', () => {
        this.#streams -= 1;
      });
      this.#open(stream, headers, options);
    });
  }

  get streamCount(): number {
    return this.#streams;
  }

  /** To be called each second: an end that has said nothing since is asked, and given up when it does not answer. */
  look(): void {
    // One that is ending can no longer be asked: node:http2 would say that nobody answers.
    if (this.#session.destroyed || this.#session.closed) return;
    if (this.#alive === 'asked') this.destroy();
    else if (this.#alive === 'unknown') {
      this.#alive = 'asked';
      this.#session.ping((error) => {
        if (!error) this.#alive = 'yes';
      });
    } else this.#alive = 'unknown';
  }

  /** Lets no new call in, and ends when those that are open have ended. */
  drain(): void {
    if (!this.#session.closed) this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
  }

  #open(stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders, options: ConnectionOptions): void {
    const type = headers['content-type'];
    if (headers[':method'] !== 'POST' || (type !== 'application/grpc' && type !== 'application/grpc+proto')) {
      stream.on('error', () => undefined);
      stream.respond({ ':status': 415 }, { endStream: true });
      return;
    }
    const header = (name: string): string | undefined => {
      const value = headers[name];
      return typeof value === 'string' ? value : value?.[0];
    };
    const path = headers[':path'] ?? '';
    const method = options.methods.get(path);
    const caller = options.identify(header);
    const call = new RpcStream(stream, caller as Caller, header, options);
    if (typeof caller === 'string') call.end(Status.unauthenticated, caller);
    else if (!method) call.end(Status.unimplemented, `there is no method ${path.slice(0, 200)}`);
    else if ((method.from === 'brains') !== (caller.brain !== undefined))
      call.end(Status.permissionDenied, `${path} is for ${method.from ?? 'nodes'}`);
    else call.begin(method);
  }
}
