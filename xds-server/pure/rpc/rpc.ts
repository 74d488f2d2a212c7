/**
 * A gRPC service as those who offer one see it: methods by path, calls of nodes, statuses. How a call comes about,
 * and who proves what to whom, is the channel's business.
 *
 *   caller ──▶ accept ──▶ receiver.message … receiver.finished
 *                │            │
 *                ╰── call.send … then one of call.reply, call.end, or receiver.cancelled when the caller has gone
 */
import type { RecordBounds } from './record-reader.js';

/** Those of https://grpc.github.io/grpc/core/md_doc_statuscodes.html that this program uses. */
export const Status = {
  ok: 0,
  invalidArgument: 3,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

export type Status = (typeof Status)[keyof typeof Status];

/** Who is at the other end of a channel. The same object for all calls of one channel and node. */
export interface Caller {
  /** Node id: what its certificate proves or, on plaintext loopback, what it says. Empty where a brain calls. */
  readonly node: string;
  /** Brain id, by the same proof; absent where a node calls. */
  readonly brain?: string;
  /** `address:port`, for the log. */
  readonly peer: string;
}

export interface Call {
  readonly caller: Caller;
  /** The first header of that name; names in small letters. */
  header(name: string): string | undefined;
  /** @param taken called later, once the caller had room for all of it; never when the call is over before that */
  send(message: Uint8Array, taken?: () => void): void;
  /** The last message, and OK. */
  reply(message: Uint8Array): void;
  /** Ends the call. Nothing follows, and what could not be sent yet is dropped unless the status is OK. */
  end(status: Status, details?: string): void;
}

export interface Receiver<Message> {
  message(message: Message): void;
  /** The caller has nothing more to send. */
  finished(): void;
  /** The call is over and it was not this side that ended it. */
  cancelled(): void;
}

export interface Method<Message = unknown> {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Who may call it; nodes where nothing is said. */
  readonly from?: 'brains';
  /** A call that does not bring its first message soon is ended; others may be silent for as long as they like. */
  readonly speaksAtOnce?: true;
  /** Larger ones are refused before they are read. */
  readonly maxMessageBytes: number;
  /** @param bytes valid during the call of this function only. @throws when they are no such message */
  decode(bytes: Uint8Array): Message;
  /** Of a method whose long messages are lists of records: they are taken as they come, as several messages. */
  readonly records?: RecordBounds & {
    /** The same of the list alone, or of a part of it. */
    decode(bytes: Uint8Array): Message;
  };
  accept(call: Call): Receiver<Message>;
}

/**
 * A method with one message each way.
 *
 * @param handle ends the call, now or later. @returns what to do when the caller has gone before that
 */
export function unary<Message>(
  method: Pick<Method<Message>, 'path' | 'maxMessageBytes' | 'decode'>,
  handle: (message: Message, call: Call) => () => void,
): Method<Message> {
  return {
    path: method.path,
    speaksAtOnce: true,
    maxMessageBytes: method.maxMessageBytes,
    decode: method.decode,
    accept(call) {
      let cancel: (() => void) | undefined;
      return {
        message(message) {
          if (cancel) call.end(Status.invalidArgument, 'expected one message, found another one');
          else cancel = handle(message, call);
        },
        finished() {
          if (!cancel) call.end(Status.invalidArgument, 'expected one message, found none');
        },
        cancelled() {
          cancel?.();
        },
      };
    },
  };
}
