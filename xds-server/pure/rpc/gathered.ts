/**
 * Bytes that wait for the rest of what they begin, and the room that they may take. They are copied: a chunk is often a
 * slice of something many times its length, which it would keep alive.
 */

export interface Room {
  /** @returns why there is none; undefined: it is taken */
  take(bytes: number): string | undefined;
  giveBack(bytes: number): void;
}

/** For a single caller who is trusted, and bounded by what one message may have. */
export const boundless: Room = { take: () => undefined, giveBack: () => undefined };

/** What an array in memory takes beside its bytes: itself, its buffer and the allocator's own. */
export const bookBytes = 512;
/** Most messages that come in two parts need no more. */
export const leastBytes = 1024;
const nothing = new Uint8Array();

export class Gathered {
  readonly #room: Room;
  #buffer = nothing;
  #length = 0;

  constructor(room: Room) {
    this.#room = room;
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /**
   * @param need that there will be in the end: beyond a little, memory is taken for what has come, not for what was announced
   * @returns why there is no room; nothing is kept then
   */
  append(bytes: Uint8Array, need: number): string | undefined {
    const length = this.#length + bytes.length;
    if (length > this.#buffer.length) {
      const capacity = Math.max(length, Math.min(need, Math.max(2 * this.#buffer.length, leastBytes)));
      const more = capacity - this.#buffer.length + (this.#length === 0 ? bookBytes : 0);
      const why = this.#room.take(more);
      if (why !== undefined) return why;
      const buffer = new Uint8Array(capacity);
      if (this.#length > 0) buffer.set(this.bytes);
      this.#buffer = buffer;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = length;
    return undefined;
  }

  forget(): void {
    if (this.#length === 0) return;
    this.#room.giveBack(this.#buffer.length + bookBytes);
    this.#buffer = nothing;
    this.#length = 0;
  }
}
