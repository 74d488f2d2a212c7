/**
 * One HTTP/2 connection of a node, the server's half of RFC 9113 as far as gRPC needs it: no push, no priorities, no
 * table for what is sent. Node's own http2 and grpc-js do all of it at two and three times the CPU a call, and the
 * brain is called for each connection of a client (decision 21).
 *
 *   socket ─▶ frames ─┬─▶ HEADERS: a new stream of a method (rpc-stream.ts)
 *                     ├─▶ DATA, RST_STREAM, WINDOW_UPDATE: its stream
 *                     ╰─▶ SETTINGS, PING, GOAWAY: here
 *   socket ◀─ all that was written while a chunk was read, at once
 *
 * Everything that the other end can make grow has a bound, and past it the connection ends. What a call means is not
 * known here.
 */
import type { Socket } from 'node:net';
import { HeaderDecoder, HeaderError } from '../../pure/hpack/header-decoder.js';
import { type Caller, type Method, Status } from '../../pure/rpc/rpc.js';
import {
  defaultFrameBytes,
  defaultWindowBytes,
  ErrorCode,
  Flag,
  FrameType,
  frame,
  frameHeadBytes,
  goaway,
  maxWindowBytes,
  preface,
  rstStream,
  Setting,
  settings,
  settingsAck,
  unsupportedBlock,
  windowUpdate,
} from './frames.js';
import { RpcStream } from './rpc-stream.js';

export interface ConnectionOptions {
  readonly methods: ReadonlyMap<string, Method>;
  /** Who calls. @returns a text that says why that is nobody. */
  identify(header: (name: string) => string | undefined): Caller | string;
  /** A method has thrown: a bug. Its call ends, the rest goes on. */
  broken(path: string, error: unknown): void;
}

/** Streams at once: more than checks may ever be held. */
const maxStreams = 131_072;
/** Names and values of one request. Envoy's have less than 1 KiB. */
const maxHeaderBytes = 16_384;
/** What a stream, and all of them, may send before it is taken in, which is at once. */
const windowBytes = 1 << 20;
/** Parts of messages that wait for their rest, of all streams. */
const maxPartialBytes = 64 << 20;
/** Past it messages wait until the socket has room, … */
const socketRoomBytes = 256 << 10;
/** … and past it the other end does not read. */
const maxUnsentBytes = 32 << 20;

const nothing = Buffer.alloc(0);

/** What the other end did is against the protocol, or beyond what it may. */
class Violation extends Error {
  constructor(readonly code: ErrorCode) {
    super();
  }
}

export class Http2Connection {
  readonly options: ConnectionOptions;
  /** What the other end gives a new stream to be sent. */
  #initialWindow = defaultWindowBytes;
  readonly #socket: Socket;
  readonly #decoder = new HeaderDecoder(maxHeaderBytes);
  readonly #streams = new Map<number, RpcStream>();
  /** Have something to send and no room. */
  readonly #blocked = new Set<RpcStream>();
  #rest: Buffer = nothing;
  #block: { readonly stream: number; readonly isLast: boolean; bytes: Buffer } | undefined;
  #hasPreface = false;
  #hasSettings = false;
  #lastStream = 0;
  #receiveWindow = windowBytes;
  #sendWindow = defaultWindowBytes;
  #partialBytes = 0;
  #out: Uint8Array[] = [];
  #outBytes = 0;
  #isReading = false;
  #willFlush = false;
  #isDraining = false;
  #isOver = false;
  /** Of the last time that it was looked at. */
  #alive: 'yes' | 'asked' | 'unknown' = 'yes';

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.options = options;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('drain', () => this.#resume());
    // 'close' follows.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#cancelAll());
    this.write(
      settings({
        [Setting.maxConcurrentStreams]: maxStreams,
        [Setting.initialWindowSize]: windowBytes,
        [Setting.maxHeaderListSize]: maxHeaderBytes,
      }),
    );
    this.write(windowUpdate(0, windowBytes - defaultWindowBytes));
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  /** To be called each few seconds: an end that has said nothing since is asked, and given up when it does not answer. */
  look(): void {
    if (this.#isOver) return;
    const isNew = !this.#hasSettings;
    if (this.#alive === 'asked' || (isNew && this.#alive === 'unknown')) this.destroy();
    else if (this.#alive === 'unknown') {
      this.#alive = 'asked';
      this.write(frame(FrameType.ping, 0, 0, Buffer.alloc(8)));
    } else this.#alive = 'unknown';
  }

  /** Lets no new call in, and ends when those that are open have ended. */
  drain(): void {
    if (this.#isDraining || this.#isOver) return;
    this.#isDraining = true;
    this.write(goaway(this.#lastStream, ErrorCode.noError));
    this.#endWhenIdle();
  }

  destroy(): void {
    this.#cancelAll();
    this.#socket.destroy();
  }

  // What streams ask of it.

  /** How much of a stream's data may go out now. */
  sendRoom(): number {
    return this.#socket.writableLength + this.#outBytes > socketRoomBytes ? 0 : this.#sendWindow;
  }

  /** Whole frames; `data`: how much of them counts against the windows. */
  write(bytes: Uint8Array, data = 0): void {
    if (this.#isOver) return;
    this.#sendWindow -= data;
    this.#out.push(bytes);
    this.#outBytes += bytes.length;
    if (this.#isReading || this.#willFlush) return;
    this.#willFlush = true;
    queueMicrotask(() => this.#flush());
  }

  block(stream: RpcStream): void {
    this.#blocked.add(stream);
  }

  /** @returns false when it was too much: the connection has ended. */
  keepPartial(bytes: number): boolean {
    this.#partialBytes += bytes;
    if (this.#partialBytes <= maxPartialBytes) return true;
    this.#fail(ErrorCode.enhanceYourCalm);
    return false;
  }

  forget(stream: RpcStream): void {
    this.#streams.delete(stream.id);
    this.#blocked.delete(stream);
    this.#endWhenIdle();
  }

  // Input.

  #read(chunk: Buffer): void {
    if (this.#isOver) return;
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#isReading = true;
    try {
      const at = this.#frames(bytes);
      this.#rest = at === bytes.length ? nothing : Buffer.from(bytes.subarray(at));
    } catch (error) {
      if (error instanceof Violation) this.#fail(error.code);
      else if (error instanceof HeaderError) this.#fail(ErrorCode.compressionError);
      else throw error;
    } finally {
      this.#isReading = false;
      this.#flush();
    }
  }

  /** @returns how far it came */
  #frames(bytes: Buffer): number {
    let at = 0;
    if (!this.#hasPreface) {
      const length = Math.min(bytes.length, preface.length);
      if (bytes.compare(preface, 0, length, 0, length) !== 0) throw new Violation(ErrorCode.protocolError);
      if (length < preface.length) return 0;
      this.#hasPreface = true;
      at = length;
    }
    while (bytes.length - at >= frameHeadBytes && !this.#isOver) {
      const length = bytes.readUIntBE(at, 3);
      if (length > defaultFrameBytes) throw new Violation(ErrorCode.frameSizeError);
      const start = at + frameHeadBytes;
      if (bytes.length - start < length) break;
      const stream = bytes.readUInt32BE(at + 5) & maxWindowBytes;
      this.#frame(bytes[at + 3]!, bytes[at + 4]!, stream, bytes.subarray(start, start + length));
      at = start + length;
    }
    return at;
  }

  #frame(type: number, flags: number, stream: number, payload: Buffer): void {
    this.#alive = 'yes';
    if (!this.#hasSettings && type !== FrameType.settings) throw new Violation(ErrorCode.protocolError);
    if (this.#block && (type !== FrameType.continuation || stream !== this.#block.stream))
      throw new Violation(ErrorCode.protocolError);
    switch (type) {
      case FrameType.data:
        this.#data(flags, stream, payload);
        return;
      case FrameType.headers:
        this.#headers(flags, stream, payload);
        return;
      case FrameType.continuation:
        this.#continuation(flags, payload);
        return;
      case FrameType.rstStream:
        this.#reset(stream, payload);
        return;
      case FrameType.windowUpdate:
        this.#window(stream, payload);
        return;
      case FrameType.settings:
        this.#settings(flags, stream, payload);
        return;
      case FrameType.ping:
        if (payload.length !== 8) throw new Violation(ErrorCode.frameSizeError);
        if ((flags & Flag.ack) === 0) this.write(frame(FrameType.ping, Flag.ack, 0, payload));
        return;
      case FrameType.pushPromise:
        throw new Violation(ErrorCode.protocolError);
      default:
        // PRIORITY, GOAWAY (it opens no more calls, and closes when it likes), and what is yet to be invented.
        return;
    }
  }

  #data(flags: number, id: number, payload: Buffer): void {
    if (id === 0 || id > this.#lastStream) throw new Violation(ErrorCode.protocolError);
    this.#receiveWindow -= payload.length;
    if (this.#receiveWindow < 0) throw new Violation(ErrorCode.flowControlError);
    if (this.#receiveWindow < windowBytes / 2) {
      this.write(windowUpdate(0, windowBytes - this.#receiveWindow));
      this.#receiveWindow = windowBytes;
    }
    const stream = this.#streams.get(id);
    // It has ended on this side, and that is on its way to the other.
    if (!stream) return;
    if (stream.isComplete) throw new Violation(ErrorCode.streamClosed);
    if (!stream.receive(payload.length)) throw new Violation(ErrorCode.flowControlError);
    const isLast = (flags & Flag.endStream) !== 0;
    stream.data(unpadded(flags, payload), isLast);
    if (!isLast) stream.widen(windowBytes);
  }

  #headers(flags: number, id: number, payload: Buffer): void {
    if (id % 2 === 0) throw new Violation(ErrorCode.protocolError);
    let bytes = unpadded(flags, payload);
    if ((flags & Flag.priority) !== 0) {
      if (bytes.length < 5) throw new Violation(ErrorCode.protocolError);
      bytes = bytes.subarray(5);
    }
    const isLast = (flags & Flag.endStream) !== 0;
    if ((flags & Flag.endHeaders) !== 0) this.#headersOf(id, bytes, isLast);
    else this.#block = { stream: id, isLast, bytes: Buffer.from(bytes) };
  }

  #continuation(flags: number, payload: Buffer): void {
    const block = this.#block;
    if (!block) throw new Violation(ErrorCode.protocolError);
    block.bytes = Buffer.concat([block.bytes, payload]);
    if (block.bytes.length > maxHeaderBytes) throw new Violation(ErrorCode.enhanceYourCalm);
    if ((flags & Flag.endHeaders) === 0) return;
    this.#block = undefined;
    this.#headersOf(block.stream, block.bytes, block.isLast);
  }

  #headersOf(id: number, block: Buffer, isLast: boolean): void {
    const fields = this.#decoder.decode(block);
    if (id <= this.#lastStream) {
      // Trailers, which clients of gRPC have none of. Of a stream that has ended here they may be on their way.
      if (!isLast) throw new Violation(ErrorCode.protocolError);
      const stream = this.#streams.get(id);
      if (stream?.isComplete) throw new Violation(ErrorCode.streamClosed);
      stream?.data(nothing, true);
      return;
    }
    this.#lastStream = id;
    if (this.#isDraining || this.#streams.size >= maxStreams) {
      this.write(rstStream(id, ErrorCode.refusedStream));
      return;
    }
    const header = (name: string): string | undefined => {
      for (const field of fields) if (field.name === name) return field.value;
      return undefined;
    };
    const type = header('content-type');
    if (header(':method') !== 'POST' || (type !== 'application/grpc' && type !== 'application/grpc+proto')) {
      this.write(frame(FrameType.headers, Flag.endHeaders | Flag.endStream, id, unsupportedBlock));
      if (!isLast) this.write(rstStream(id, ErrorCode.noError));
      return;
    }
    this.#open(id, header, isLast);
  }

  #open(id: number, header: (name: string) => string | undefined, isLast: boolean): void {
    const path = header(':path') ?? '';
    const method = this.options.methods.get(path);
    const caller = this.options.identify(header);
    const stream = new RpcStream(
      this,
      id,
      caller as Caller,
      header,
      { receive: windowBytes, send: this.#initialWindow },
      isLast,
    );
    this.#streams.set(id, stream);
    if (typeof caller === 'string') stream.end(Status.unauthenticated, caller);
    else if (!method) stream.end(Status.unimplemented, `there is no method ${path.slice(0, 200)}`);
    else {
      stream.begin(method);
      if (isLast) stream.data(nothing, true);
    }
  }

  #reset(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new Violation(ErrorCode.frameSizeError);
    if (id === 0 || id > this.#lastStream) throw new Violation(ErrorCode.protocolError);
    this.#streams.get(id)?.cancel();
  }

  #window(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new Violation(ErrorCode.frameSizeError);
    const bytes = payload.readUInt32BE(0) & maxWindowBytes;
    if (bytes === 0 || id > this.#lastStream) throw new Violation(ErrorCode.protocolError);
    if (id !== 0) {
      const stream = this.#streams.get(id);
      if (stream && !stream.allow(bytes)) throw new Violation(ErrorCode.flowControlError);
      return;
    }
    this.#sendWindow += bytes;
    if (this.#sendWindow > maxWindowBytes) throw new Violation(ErrorCode.flowControlError);
    this.#resume();
  }

  #settings(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw new Violation(ErrorCode.protocolError);
    if ((flags & Flag.ack) !== 0) return;
    if (payload.length % 6 !== 0) throw new Violation(ErrorCode.frameSizeError);
    this.#hasSettings = true;
    let bytes = this.#initialWindow;
    for (let at = 0; at < payload.length; at += 6) {
      // Frames are never larger than the least that may be asked for, and what is sent is in no table.
      if (payload.readUInt16BE(at) === Setting.initialWindowSize) bytes = payload.readUInt32BE(at + 2);
      if (bytes > maxWindowBytes) throw new Violation(ErrorCode.flowControlError);
    }
    // Once for all entries of a frame: it has room for 2,730 of them, and there may be many streams.
    const more = bytes - this.#initialWindow;
    this.#initialWindow = bytes;
    for (const stream of more === 0 ? [] : [...this.#streams.values()])
      if (!stream.allow(more)) throw new Violation(ErrorCode.flowControlError);
    this.write(settingsAck);
  }

  // Output.

  #flush(): void {
    this.#willFlush = false;
    if (this.#out.length === 0 || this.#socket.destroyed) return;
    const parts = this.#out;
    const bytes = this.#outBytes;
    this.#out = [];
    this.#outBytes = 0;
    if (parts.length === 1) this.#socket.write(parts[0]!);
    else if (bytes <= socketRoomBytes / 4) this.#socket.write(Buffer.concat(parts, bytes));
    else {
      this.#socket.cork();
      for (const part of parts) this.#socket.write(part);
      this.#socket.uncork();
    }
    if (this.#socket.writableLength > maxUnsentBytes) this.destroy();
  }

  #resume(): void {
    for (const stream of [...this.#blocked]) {
      if (this.sendRoom() <= 0) return;
      this.#blocked.delete(stream);
      stream.pump();
    }
  }

  #endWhenIdle(): void {
    if (!this.#isDraining || this.#streams.size > 0 || this.#isOver) return;
    this.#flush();
    this.#socket.end();
  }

  #fail(code: ErrorCode): void {
    if (this.#isOver) return;
    this.write(goaway(this.#lastStream, code));
    this.#flush();
    this.#cancelAll();
    this.#socket.destroySoon();
  }

  #cancelAll(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const stream of [...this.#streams.values()]) stream.cancel();
  }
}

function unpadded(flags: number, payload: Buffer): Buffer {
  if ((flags & Flag.padded) === 0) return payload;
  const padding = payload[0];
  if (padding === undefined || padding >= payload.length) throw new Violation(ErrorCode.protocolError);
  return payload.subarray(1, payload.length - padding);
}
