/**
 * One gRPC call on its HTTP/2 stream: messages out of data frames and into them, as far as the windows allow, and its
 * end. Whose window is how large is kept by the connection, for what concerns all streams, and here for this one.
 */
import { type Call, type Caller, type Method, type Receiver, Status } from '../../pure/rpc/rpc.js';
import {
  defaultFrameBytes,
  ErrorCode,
  Flag,
  FrameType,
  frame,
  frameHeadBytes,
  headersBlock,
  maxWindowBytes,
  messageHeadBytes,
  okBlock,
  rstStream,
  statusBlock,
  windowUpdate,
  writeFrameHead,
  writeMessageHead,
} from './frames.js';
import type { Http2Connection } from './http2-connection.js';

interface Outgoing {
  readonly bytes: Uint8Array;
  at: number;
  readonly taken: (() => void) | undefined;
}

const headersFrame = (id: number): Buffer => frame(FrameType.headers, Flag.endHeaders, id, headersBlock);
const lastFrame = (id: number, block: Uint8Array): Buffer =>
  frame(FrameType.headers, Flag.endHeaders | Flag.endStream, id, block);

export class RpcStream implements Call {
  readonly #connection: Http2Connection;
  #method: Method | undefined;
  #receiver: Receiver<unknown> | undefined;
  #receiveWindow: number;
  #sendWindow: number;
  /** The other end has sent all it will. */
  #isComplete: boolean;
  #isOver = false;
  /** Of a message that has not come whole. */
  #parts: Buffer[] = [];
  #have = 0;
  #need = messageHeadBytes;
  #hasHead = false;
  readonly #queue: Outgoing[] = [];
  #isEnding = false;

  constructor(
    connection: Http2Connection,
    readonly id: number,
    readonly caller: Caller,
    readonly header: (name: string) => string | undefined,
    windows: { readonly receive: number; readonly send: number },
    isComplete: boolean,
  ) {
    this.#connection = connection;
    this.#receiveWindow = windows.receive;
    this.#sendWindow = windows.send;
    this.#isComplete = isComplete;
  }

  begin(method: Method): void {
    this.#method = method;
    this.#tell(() => {
      this.#receiver = method.accept(this);
    });
  }

  // Input.

  /** The other end has said that it sends nothing more. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** @returns false when it is more than was allowed */
  receive(bytes: number): boolean {
    this.#receiveWindow -= bytes;
    return this.#receiveWindow >= 0;
  }

  /** What has come was taken in; the other end may send as much again. */
  widen(windowBytes: number): void {
    if (this.#isOver || this.#receiveWindow >= windowBytes / 2) return;
    this.#connection.write(windowUpdate(this.id, windowBytes - this.#receiveWindow));
    this.#receiveWindow = windowBytes;
  }

  data(bytes: Buffer, isLast: boolean): void {
    if (isLast) this.#isComplete = true;
    for (let at = 0; at < bytes.length && !this.#isOver; ) {
      const end = this.#have === 0 ? wholeUntil(bytes, at) : undefined;
      if (end === undefined) at = this.#gather(bytes, at);
      else {
        if (this.#isAcceptable(bytes, at)) this.#take(bytes.subarray(at + messageHeadBytes, end));
        at = end;
      }
    }
    if (!isLast || this.#isOver) return;
    if (this.#have > 0) this.end(Status.invalidArgument, 'the last message is not whole');
    else this.#tell((receiver) => receiver.finished());
  }

  /** @returns the position behind what was kept */
  #gather(bytes: Buffer, from: number): number {
    const length = Math.min(this.#need - this.#have, bytes.length - from);
    if (!this.#connection.keepPartial(length)) return bytes.length;
    // A copy: the chunk that it is part of may be larger by far.
    this.#parts.push(Buffer.from(bytes.subarray(from, from + length)));
    this.#have += length;
    if (this.#have === this.#need && !this.#isHeadKnown()) return bytes.length;
    if (this.#have === this.#need) {
      const whole = Buffer.concat(this.#parts, this.#have);
      this.#drop();
      this.#take(whole.subarray(messageHeadBytes));
    }
    return from + length;
  }

  /** @returns false when the message that begins is refused */
  #isHeadKnown(): boolean {
    if (this.#hasHead) return true;
    const head = Buffer.concat(this.#parts, this.#have);
    if (!this.#isAcceptable(head, 0)) return false;
    this.#hasHead = true;
    this.#parts = [head];
    this.#need = messageHeadBytes + head.readUInt32BE(1);
    return true;
  }

  #isAcceptable(bytes: Buffer, at: number): boolean {
    const length = bytes.readUInt32BE(at + 1);
    const { maxMessageBytes } = this.#method!;
    if (bytes[at] !== 0) this.end(Status.unimplemented, 'expected a message that is not compressed');
    else if (length > maxMessageBytes)
      this.end(
        Status.resourceExhausted,
        `expected a message of at most ${maxMessageBytes} bytes, found ${length}`,
      );
    return !this.#isOver;
  }

  #take(bytes: Uint8Array): void {
    let message: unknown;
    try {
      message = this.#method!.decode(bytes);
    } catch {
      this.end(Status.invalidArgument, 'bytes that are no message of this method');
      return;
    }
    this.#tell((receiver) => receiver.message(message));
  }

  /** The other end has given it up, or is gone. */
  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isComplete = true;
    this.#leave();
    this.#tell((receiver) => receiver.cancelled());
  }

  #tell(what: (receiver: Receiver<unknown>) => void): void {
    try {
      what(this.#receiver!);
    } catch (error) {
      this.#connection.options.broken(this.#method!.path, error);
      this.end(Status.internal, 'the method has failed');
    }
  }

  // Output.

  send(message: Uint8Array, taken?: () => void): void {
    if (this.#isOver || this.#isEnding) return;
    if (!this.#isHeadSent) {
      this.#isHeadSent = true;
      this.#connection.write(headersFrame(this.id));
    }
    const isSmall = message.length + messageHeadBytes <= defaultFrameBytes;
    const head = Buffer.allocUnsafe(messageHeadBytes + (isSmall ? message.length : 0));
    const at = writeMessageHead(head, 0, message.length);
    if (isSmall) {
      head.set(message, at);
      this.#queue.push({ bytes: head, at: 0, taken });
    } else this.#queue.push({ bytes: head, at: 0, taken: undefined }, { bytes: message, at: 0, taken });
    this.pump();
  }

  #isHeadSent = false;

  reply(message: Uint8Array): void {
    if (this.#isOver || this.#isEnding) return;
    const size = messageHeadBytes + message.length;
    const room = Math.min(this.#sendWindow, this.#connection.sendRoom(), defaultFrameBytes);
    if (this.#isHeadSent || size > room) {
      this.send(message);
      this.end(Status.ok);
      return;
    }
    // One piece, which is nearly all that a check costs on its way out.
    const heads = 3 * frameHeadBytes + headersBlock.length + okBlock.length;
    const bytes = Buffer.allocUnsafe(heads + size);
    let at = writeFrameHead(bytes, 0, headersBlock.length, FrameType.headers, Flag.endHeaders, this.id);
    bytes.set(headersBlock, at);
    at = writeFrameHead(bytes, at + headersBlock.length, size, FrameType.data, 0, this.id);
    at = writeMessageHead(bytes, at, message.length);
    bytes.set(message, at);
    const flags = Flag.endHeaders | Flag.endStream;
    at = writeFrameHead(bytes, at + message.length, okBlock.length, FrameType.headers, flags, this.id);
    bytes.set(okBlock, at);
    this.#connection.write(bytes, size);
    this.#close();
  }

  end(status: Status, details = ''): void {
    if (this.#isOver) return;
    if (status === Status.ok) {
      this.#isEnding = true;
      this.pump();
      return;
    }
    this.#connection.write(lastFrame(this.id, statusBlock(status, details, !this.#isHeadSent)));
    this.#close();
  }

  /** @returns false when it is more than a window can be */
  allow(bytes: number): boolean {
    this.#sendWindow += bytes;
    if (this.#sendWindow > maxWindowBytes) return false;
    this.pump();
    return true;
  }

  /** Sends what there is room for. */
  pump(): void {
    for (let first = this.#queue[0]; first && !this.#isOver; first = this.#queue[0]) {
      const room = Math.min(this.#sendWindow, this.#connection.sendRoom(), defaultFrameBytes);
      if (room <= 0) {
        this.#connection.block(this);
        return;
      }
      const part = first.bytes.subarray(first.at, first.at + room);
      this.#sendWindow -= part.length;
      first.at += part.length;
      const head = Buffer.allocUnsafe(frameHeadBytes);
      writeFrameHead(head, 0, part.length, FrameType.data, 0, this.id);
      this.#connection.write(head);
      this.#connection.write(part, part.length);
      if (first.at < first.bytes.length) continue;
      this.#queue.shift();
      const { taken } = first;
      if (taken) queueMicrotask(() => this.#isOver || taken());
    }
    if (!this.#isEnding || this.#isOver) return;
    const block = this.#isHeadSent ? okBlock : statusBlock(Status.ok, '', true);
    this.#connection.write(lastFrame(this.id, block));
    this.#close();
  }

  #close(): void {
    this.#isOver = true;
    // So that it sends no more of what nobody will read.
    if (!this.#isComplete) this.#connection.write(rstStream(this.id, ErrorCode.noError));
    this.#leave();
  }

  #leave(): void {
    this.#drop();
    this.#queue.length = 0;
    this.#connection.forget(this);
  }

  #drop(): void {
    this.#connection.keepPartial(-this.#have);
    this.#parts = [];
    this.#have = 0;
    this.#need = messageHeadBytes;
    this.#hasHead = false;
  }
}

/** Where the message that begins at `at` ends, if it is whole. */
function wholeUntil(bytes: Buffer, at: number): number | undefined {
  const start = at + messageHeadBytes;
  if (start > bytes.length) return undefined;
  const end = start + bytes.readUInt32BE(at + 1);
  return end <= bytes.length ? end : undefined;
}
