/**
 * The messages of one call, out of its bytes: each behind a byte that says whether it is compressed and its length in
 * four, the greatest first. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 */

export const messageHeadBytes = 5;

/** Why a call can't go on. */
export type Unreadable =
  | { readonly kind: 'compressed' }
  /** It says to be of so many bytes. */
  | { readonly kind: 'too-large'; readonly bytes: number };

export class MessageReader {
  #parts: Uint8Array[] = [];
  #have = 0;
  /** Nothing can be told with less. */
  #need = messageHeadBytes;

  /** @param maxMessageBytes larger ones are refused by their head */
  constructor(private readonly maxMessageBytes: number) {}

  /** Bytes that wait for the rest of their message; 0 between two messages. */
  get waiting(): number {
    return this.#have;
  }

  /**
   * @param take is given each message that has become whole; valid during that call only. When it returns false the
   *   rest is not looked at
   */
  push(bytes: Uint8Array, take: (message: Uint8Array) => boolean): Unreadable | undefined {
    this.#parts.push(bytes);
    this.#have += bytes.length;
    if (this.#have < this.#need) return undefined;
    let all = this.#parts.length === 1 ? bytes : joined(this.#parts, this.#have);
    this.forget();
    while (all.length >= messageHeadBytes) {
      const length = new DataView(all.buffer, all.byteOffset).getUint32(1);
      if (all[0] !== 0) return { kind: 'compressed' };
      if (length > this.maxMessageBytes) return { kind: 'too-large', bytes: length };
      const end = messageHeadBytes + length;
      if (all.length < end) {
        this.#need = end;
        break;
      }
      const goesOn = take(all.subarray(messageHeadBytes, end));
      if (!goesOn) return undefined;
      all = all.subarray(end);
    }
    if (all.length > 0) {
      this.#parts.push(all);
      this.#have = all.length;
    }
    return undefined;
  }

  /** What waits is given up. */
  forget(): void {
    this.#parts = [];
    this.#have = 0;
    this.#need = messageHeadBytes;
  }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
