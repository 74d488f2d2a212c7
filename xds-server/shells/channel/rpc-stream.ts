/** One gRPC call on its HTTP/2 stream: messages out of its bytes, its bounds, and its end. How it is answered: rpc-response.ts. */
import type { ServerHttp2Stream } from 'node:http2';
import type { Room } from '../../pure/rpc/gathered.js';
import { MessageReader, type Unreadable } from '../../pure/rpc/message-reader.js';
import type { Overdue } from '../../pure/rpc/overdue.js';
import { type Call, type Caller, type Method, type Receiver, Status } from '../../pure/rpc/rpc.js';
import { RpcResponse } from './rpc-response.js';

const malformedText = 'bytes that are no message of this method';
const overdueText = 'the message did not come, or not to its end, in time';

/** A call that was ended because a bound is reached. */
export interface Exhaustion {
  readonly path: string;
  readonly caller: Caller;
  /** One of a few; `method`: a bound of the method's own. */
  readonly cause: 'method' | 'message_size' | 'partial_bytes' | 'message_time';
  /** In words. */
  readonly why: string;
}

export interface StreamOptions {
  /** A method has thrown: a bug. */
  broken(path: string, error: unknown): void;
  /** The call asks for more than a bound allows. */
  exhausted(exhaustion: Exhaustion): void;
  /** For messages of this caller's that are not whole yet. */
  room(caller: Caller): Room;
  /** Calls whose message is waited for. */
  readonly awaited: Overdue<RpcStream>;
}

export class RpcStream implements Call {
  readonly #stream: ServerHttp2Stream;
  readonly #response: RpcResponse;
  readonly #options: StreamOptions;
  #method: Method | undefined;
  #receiver: Receiver<unknown> | undefined;
  #reader: MessageReader | undefined;
  #isAwaited = false;
  #isComplete = false;
  #isOver = false;

  constructor(
    stream: ServerHttp2Stream,
    readonly caller: Caller,
    readonly header: (name: string) => string | undefined,
    options: StreamOptions,
  ) {
    this.#stream = stream;
    this.#response = new RpcResponse(stream);
    this.#options = options;
    stream.on('error', () => undefined);
  }

  begin(method: Method): void {
    this.#method = method;
    const { maxMessageBytes, records } = method;
    this.#reader = new MessageReader(maxMessageBytes, {
      room: this.#options.room(this.caller),
      ...(records && { records }),
    });
    if (method.speaksAtOnce) this.#await();
    const stream = this.#stream;
    stream.on('close', () => this.#cancelled());
    stream.on('aborted', () => this.#cancelled());
    this.#tell(() => {
      this.#receiver = method.accept(this);
    });
    if (this.#isOver) return;
    stream.on('data', (bytes: Buffer) => this.#data(bytes));
    stream.on('end', () => this.#end());
  }

  #data(bytes: Buffer): void {
    if (this.#isOver) return;
    const reader = this.#reader!;
    const { taken } = reader;
    const unreadable = reader.push(bytes, (message, isPiece) => {
      this.#take(message, isPiece);
      return !this.#isOver;
    });
    if (unreadable) this.#refuse(unreadable);
    if (this.#isOver) return;
    if (reader.taken !== taken) this.#awaitNoMore();
    if (reader.waiting > 0 && !this.#isAwaited) this.#await();
  }

  #await(): void {
    this.#isAwaited = true;
    this.#options.awaited.begin(this);
  }

  #awaitNoMore(): void {
    if (!this.#isAwaited) return;
    this.#isAwaited = false;
    this.#options.awaited.end(this);
  }

  /** Its message has been waited for long enough. */
  overdue(): void {
    this.#exhaust('message_time', overdueText, Status.deadlineExceeded);
  }

  #refuse(unreadable: Unreadable): void {
    const { kind } = unreadable;
    const { maxMessageBytes, records } = this.#method!;
    if (kind === 'compressed') this.end(Status.unimplemented, 'expected a message that is not compressed');
    else if (kind === 'malformed') this.end(Status.invalidArgument, malformedText);
    else if (kind === 'no-room') this.#exhaust('partial_bytes', unreadable.why);
    else {
      const { bytes } = unreadable;
      const isRecord = records && bytes <= maxMessageBytes;
      const most = isRecord
        ? `record of at most ${records.maxRecordBytes}`
        : `message of at most ${maxMessageBytes}`;
      this.#exhaust('message_size', `expected a ${most} bytes, found ${bytes}`);
    }
  }

  #exhaust(cause: Exhaustion['cause'], why: string, status: Status = Status.resourceExhausted): void {
    if (this.#isOver) return;
    this.#options.exhausted({ path: this.#method!.path, caller: this.caller, cause, why });
    this.#finish(status, why);
  }

  #take(bytes: Uint8Array, isPiece: boolean): void {
    let message: unknown;
    try {
      message = (isPiece ? this.#method!.records! : this.#method!).decode(bytes);
    } catch {
      this.end(Status.invalidArgument, malformedText);
      return;
    }
    this.#tell((receiver) => receiver.message(message));
  }

  #end(): void {
    this.#isComplete = true;
    if (this.#isOver) return;
    if (this.#reader!.waiting > 0) this.end(Status.invalidArgument, 'the last message is not whole');
    else this.#tell((receiver) => receiver.finished());
  }

  #cancelled(): void {
    if (this.#isOver) return;
    this.#close();
    this.#tell((receiver) => receiver.cancelled());
  }

  /** What has come of a message is given up at once: the stream itself may stay until its caller, too, has ended it. */
  #close(): void {
    this.#isOver = true;
    this.#awaitNoMore();
    this.#reader?.forget();
  }

  #tell(what: (receiver: Receiver<unknown>) => void): void {
    try {
      what(this.#receiver!);
    } catch (error) {
      this.#options.broken(this.#method!.path, error);
      this.end(Status.internal, 'the method has failed');
    }
  }

  send(message: Uint8Array, taken?: () => void): void {
    if (this.#isOver) return;
    this.#response.send(message, () => {
      if (taken && !this.#isOver) taken();
    });
  }

  reply(message: Uint8Array): void {
    if (this.#isOver) return;
    this.#close();
    this.#response.reply(message);
  }

  end(status: Status, details = ''): void {
    if (this.#isOver) return;
    if (status === Status.resourceExhausted && this.#method) this.#exhaust('method', details);
    else this.#finish(status, details);
  }

  #finish(status: Status, details: string): void {
    this.#close();
    this.#response.end(status, details, this.#isComplete);
  }
}
