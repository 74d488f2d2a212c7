/**
 * The messages of one call, out of its bytes: each behind a byte that says whether it is compressed and its length in
 * four, the greatest first. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 */
import { boundless, Gathered, type Room } from './gathered.js';

export const messageHeadBytes = 5;

/** Why a call can't go on. */
export type Unreadable =
  | { readonly kind: 'compressed' }
  /** It says to be of so many bytes. */
  | { readonly kind: 'too-large'; readonly bytes: number }
  /** Too much waits already. */
  | { readonly kind: 'no-room'; readonly why: string };

/** What has been read of some bytes; undefined: they are not to be looked at any more. */
type Read = number | Unreadable | undefined;

export class MessageReader {
  readonly #gathered: Gathered;
  /** Nothing can be told with less. */
  #need = messageHeadBytes;
  #whole = 0;

  /**
   * @param maxMessageBytes larger ones are refused by their head
   * @param room for a message that is not whole yet
   */
  constructor(
    private readonly maxMessageBytes: number,
    room: Room = boundless,
  ) {
    this.#gathered = new Gathered(room);
  }

  /** Bytes that wait for the rest of their message; 0 between two messages. */
  get waiting(): number {
    return this.#gathered.length;
  }

  /** Messages that have become whole. */
  get whole(): number {
    return this.#whole;
  }

  /**
   * @param take is given each message that has become whole; valid during that call only. When it returns false the
   *   rest is not looked at
   */
  push(bytes: Uint8Array, take: (message: Uint8Array) => boolean): Unreadable | undefined {
    let rest = bytes;
    while (rest.length > 0) {
      const read = this.#gathered.length === 0 ? this.#begin(rest, take) : this.#goOn(rest, take);
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
    this.#need = messageHeadBytes;
  }

  /** Most messages come whole: they are taken where they are. */
  #begin(bytes: Uint8Array, take: (message: Uint8Array) => boolean): Read {
    if (bytes.length >= messageHeadBytes) {
      const unreadable = this.#readHead(bytes);
      if (unreadable) return unreadable;
      if (bytes.length >= this.#need) return this.#take(bytes.subarray(0, this.#need), take);
    }
    return this.#gather(bytes);
  }

  #goOn(bytes: Uint8Array, take: (message: Uint8Array) => boolean): Read {
    const lacking = this.#need - this.#gathered.length;
    const read = this.#gather(lacking < bytes.length ? bytes.subarray(0, lacking) : bytes);
    if (typeof read !== 'number' || this.#gathered.length < this.#need) return read;
    if (this.#need === messageHeadBytes) {
      const unreadable = this.#readHead(this.#gathered.bytes);
      if (unreadable) return unreadable;
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

  #take(framed: Uint8Array, take: (message: Uint8Array) => boolean): number | undefined {
    this.#need = messageHeadBytes;
    this.#whole += 1;
    return take(framed.subarray(messageHeadBytes)) ? framed.length : undefined;
  }

  #gather(bytes: Uint8Array): Read {
    const why = this.#gathered.append(bytes, this.#need);
    return why === undefined ? bytes.length : { kind: 'no-room', why };
  }
}
