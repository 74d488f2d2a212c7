/**
 * A long message that is a list of records, read as it comes: none of it is kept but a record that is not whole yet, and
 * no more is decoded at once than has come at once. The list is a field of the message, its fields are the records.
 * https://protobuf.dev/programming-guides/encoding/
 */
import { Gathered, type Room } from './gathered.js';
import type { Unreadable } from './message-reader.js';

export interface RecordBounds {
  /** Of the list in the message. */
  readonly field: number;
  /** A larger record is refused by its head. */
  readonly maxRecordBytes: number;
}

const malformed: Unreadable = { kind: 'malformed' };
/** Of a field's number, and of a length: no more fits into 32 bits. */
const maxVarintBytes = 5;
/** Of a number that is a value. */
const maxValueBytes = 10;

export class RecordReader {
  readonly #bounds: RecordBounds;
  readonly #gathered: Gathered;
  /** Nothing can be told with less. */
  #need = 1;
  /** Of the message, that have not come. */
  #left = 0;
  #isInList = false;
  #listLeft = 0;
  #toSkip = 0;
  /** Of the field that was looked at last. */
  #field = 0;
  #headBytes = 0;
  #valueBytes = 0;
  #isList = false;

  constructor(bounds: RecordBounds, room: Room) {
    this.#bounds = bounds;
    this.#gathered = new Gathered(room);
  }

  /** Of the message, that have not come; 0 between two messages. */
  get left(): number {
    return this.#left;
  }

  begin(length: number): void {
    this.forget();
    this.#left = length;
  }

  forget(): void {
    this.#gathered.forget();
    this.#need = 1;
    this.#left = this.#listLeft = this.#toSkip = 0;
    this.#isInList = false;
  }

  /**
   * @param bytes of this message only
   * @param take is given records, whole and one behind the other; when it returns false the rest is not looked at
   * @returns true: go on
   */
  push(bytes: Uint8Array, take: (records: Uint8Array) => boolean): Unreadable | boolean {
    this.#left -= bytes.length;
    if (this.#gathered.length + bytes.length < this.#need) return this.#keep(bytes);
    const all = this.#joined(bytes);
    this.#need = 1;
    let at = 0;
    /** Of the records that have not been taken. */
    let from = 0;
    let unreadable: Unreadable | undefined;
    while (at < all.length) {
      if (this.#toSkip > 0) {
        const skipped = Math.min(this.#toSkip, all.length - at);
        this.#toSkip -= skipped;
        at += skipped;
        continue;
      }
      const isHead = this.#readHead(all, at);
      if (isHead === false) break;
      const whole = this.#headBytes + this.#valueBytes;
      const most = this.#isInList ? this.#listLeft : this.#left + all.length - at;
      if (isHead === undefined || whole > most) {
        unreadable = malformed;
        break;
      }
      if (!this.#isInList) {
        at += this.#headBytes;
        from = at;
        if (this.#isList && this.#field === this.#bounds.field) this.#listLeft = this.#valueBytes;
        else this.#toSkip = this.#valueBytes;
        this.#isInList = this.#listLeft > 0;
        continue;
      }
      if (whole > this.#bounds.maxRecordBytes) {
        unreadable = { kind: 'too-large', bytes: whole };
        break;
      }
      if (at + whole > all.length) {
        this.#need = whole;
        break;
      }
      at += whole;
      this.#listLeft -= whole;
      if (this.#listLeft > 0) continue;
      this.#isInList = false;
      if (!take(all.subarray(from, at))) return false;
    }
    if (this.#isInList && at > from && !take(all.subarray(from, at))) return false;
    if (unreadable) return unreadable;
    if (at === all.length) return true;
    return this.#left === 0 ? malformed : this.#keep(all.subarray(at));
  }

  #joined(bytes: Uint8Array): Uint8Array {
    const begun = this.#gathered.bytes;
    if (begun.length === 0) return bytes;
    const all = new Uint8Array(begun.length + bytes.length);
    all.set(begun);
    all.set(bytes, begun.length);
    this.#gathered.forget();
    return all;
  }

  #keep(bytes: Uint8Array): Unreadable | true {
    const need = Math.max(this.#need, this.#gathered.length + bytes.length + 1);
    const why = this.#gathered.append(bytes, need);
    this.#need = need;
    return why === undefined ? true : { kind: 'no-room', why };
  }

  /** @returns whether it is there; undefined: it is none */
  #readHead(bytes: Uint8Array, at: number): boolean | undefined {
    const tag = this.#varintBytes(bytes, at, maxVarintBytes);
    if (!tag) return tag === undefined ? undefined : false;
    const key = varintOf(bytes, at, tag);
    this.#field = key >>> 3;
    const type = key & 7;
    this.#isList = type === 2;
    this.#headBytes = tag;
    this.#valueBytes = type === 1 ? 8 : 4;
    if (type === 1 || type === 5) return true;
    if (type !== 0 && type !== 2) return undefined;
    const value = this.#varintBytes(bytes, at + tag, type === 0 ? maxValueBytes : maxVarintBytes);
    if (!value) return value === undefined ? undefined : false;
    this.#headBytes += value;
    this.#valueBytes = type === 0 ? 0 : varintOf(bytes, at + tag, value);
    return true;
  }

  /** @returns 0 where its end has not come, undefined where it has too many */
  #varintBytes(bytes: Uint8Array, at: number, most: number): number | undefined {
    for (let length = 1; length <= most; length++) {
      if (at + length > bytes.length) return 0;
      if (bytes[at + length - 1]! < 0x80) return length;
    }
    return undefined;
  }
}

function varintOf(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let index = length - 1; index >= 0; index--) value = value * 128 + (bytes[at + index]! & 0x7f);
  return value;
}
