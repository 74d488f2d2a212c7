/**
 * The messages of one call, out of its bytes: each behind a byte that says whether it is compressed and its length in
 * four, the greatest first. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 */
import { boundless, Gathered, type Room } from './gathered.js';
import { type RecordBounds, RecordReader } from './record-reader.js';

export const messageHeadBytes = 5;

/** Why a call can't go on. */
export type Unreadable =
  | { readonly kind: 'compressed' }
  /** It says to be of so many bytes. */
  | { readonly kind: 'too-large'; readonly bytes: number }
  /** Too much waits already. */
  | { readonly kind: 'no-room'; readonly why: string }
  /** It is no list of records. */
  | { readonly kind: 'malformed' };

export interface ReaderOptions {
  /** For what is not whole yet. */
  readonly room?: Room;
  /** A message of more than `wholeBytes` is taken in pieces, each of whole records. */
  readonly records?: RecordBounds;
}

/** Up to here a message of records, too, is taken whole. */
export const wholeBytes = 64 << 10;

/** @param isPiece records of a long message; otherwise a message */
type Take = (bytes: Uint8Array, isPiece: boolean) => boolean;

/** What has been read of some bytes; undefined: they are not to be looked at any more. */
type Read = number | Unreadable | undefined;

export class MessageReader {
  readonly #gathered: Gathered;
  readonly #records: RecordReader | undefined;
  /** Nothing can be told with less. */
  #need = messageHeadBytes;
  #taken = 0;

  /**
   * @param maxMessageBytes larger ones are refused by their head
   */
  constructor(
    private readonly maxMessageBytes: number,
    { room = boundless, records }: ReaderOptions = {},
  ) {
    this.#gathered = new Gathered(room);
    this.#records = records && new RecordReader(records, room);
  }

  /** Bytes that have come of a message that is not whole; 0 between two messages. */
  get waiting(): number {
    const left = this.#records?.left ?? 0;
    return left > 0 ? this.#need - left : this.#gathered.length;
  }

  /** Messages that have become whole, and pieces of long ones. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * @param take is given each message that has become whole; valid during that call only. When it returns false the
   *   rest is not looked at
   */
  push(bytes: Uint8Array, take: Take): Unreadable | undefined {
    let rest = bytes;
    while (rest.length > 0) {
      const read = this.#read(rest, take);
      if (typeof read !== 'number') {
        this.forget();
        return read;
      }
      if (read === rest.length) return undefined;
      rest = rest.subarray(read);
    }
    return undefined;
  }

  /** What waits is given up. */
  forget(): void {
    this.#gathered.forget();
    this.#records?.forget();
    this.#need = messageHeadBytes;
  }

  #read(bytes: Uint8Array, take: Take): Read {
    if (this.#records && this.#records.left > 0) return this.#takeRecords(this.#records, bytes, take);
    return this.#gathered.length === 0 ? this.#begin(bytes, take) : this.#goOn(bytes, take);
  }

  /** Most messages come whole: they are taken where they are. */
  #begin(bytes: Uint8Array, take: Take): Read {
    if (bytes.length >= messageHeadBytes) {
      const unreadable = this.#readHead(bytes);
      if (unreadable) return unreadable;
      if (this.#beginsRecords()) return messageHeadBytes;
      if (bytes.length >= this.#need) return this.#take(bytes.subarray(0, this.#need), take);
    }
    return this.#gather(bytes);
  }

  #goOn(bytes: Uint8Array, take: Take): Read {
    const lacking = this.#need - this.#gathered.length;
    const read = this.#gather(lacking < bytes.length ? bytes.subarray(0, lacking) : bytes);
    if (typeof read !== 'number' || this.#gathered.length < this.#need) return read;
    if (this.#need === messageHeadBytes) {
      const unreadable = this.#readHead(this.#gathered.bytes);
      if (unreadable) return unreadable;
      if (this.#beginsRecords()) {
        this.#gathered.forget();
        return read;
      }
      if (this.#need > messageHeadBytes) return read;
    }
    const message = this.#gathered.bytes;
    this.#gathered.forget();
    return this.#take(message, take) === undefined ? undefined : read;
  }

  #readHead(head: Uint8Array): Unreadable | undefined {
    const length = ((head[1]! << 24) | (head[2]! << 16) | (head[3]! << 8) | head[4]!) >>> 0;
    if (head[0] !== 0) return { kind: 'compressed' };
    if (length > this.maxMessageBytes) return { kind: 'too-large', bytes: length };
    this.#need = messageHeadBytes + length;
    return undefined;
  }

  #beginsRecords(): boolean {
    if (!this.#records || this.#need <= wholeBytes) return false;
    this.#records.begin(this.#need - messageHeadBytes);
    return true;
  }

  #takeRecords(records: RecordReader, bytes: Uint8Array, take: Take): Read {
    const length = Math.min(records.left, bytes.length);
    const goesOn = records.push(bytes.subarray(0, length), (piece) => {
      this.#taken += 1;
      return take(piece, true);
    });
    if (goesOn === false) return undefined;
    if (goesOn !== true) return goesOn;
    if (records.left === 0) {
      this.#need = messageHeadBytes;
      this.#taken += 1;
    }
    return length;
  }

  #take(framed: Uint8Array, take: Take): number | undefined {
    this.#need = messageHeadBytes;
    this.#taken += 1;
    return take(framed.subarray(messageHeadBytes), false) ? framed.length : undefined;
  }

  #gather(bytes: Uint8Array): Read {
    const why = this.#gathered.append(bytes, this.#need);
    return why === undefined ? bytes.length : { kind: 'no-room', why };
  }
}
