/**
 * Reads the header blocks of one HTTP/2 connection (HPACK, RFC 7541). The dynamic table lives as long as the
 * connection; a block that cannot be read leaves it unknown, so the connection cannot go on.
 */
import { decodeHuffman } from './huffman.js';
import { type HeaderField, staticTable } from './static-table.js';

/** What HTTP/2 gives an encoder unless it is told otherwise, and it is not. */
const maxTableBytes = 4096;
/** RFC 7541, section 4.1. */
const entryOverheadBytes = 32;

/** The block is no HPACK, or its headers are more than is allowed. */
export class HeaderError extends Error {}

export class HeaderDecoder {
  readonly #maxListBytes: number;
  /** The newest first. */
  readonly #dynamic: HeaderField[] = [];
  #tableBytes = 0;
  #limitBytes = maxTableBytes;
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;

  /** @param maxListBytes of one block: names, values and 32 for each header (SETTINGS_MAX_HEADER_LIST_SIZE) */
  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
  }

  /** @throws HeaderError */
  decode(block: Uint8Array): HeaderField[] {
    this.#bytes = block;
    this.#at = 0;
    const fields: HeaderField[] = [];
    let listBytes = 0;
    while (this.#at < block.length) {
      const first = block[this.#at]!;
      if ((first & 0xe0) === 0x20) {
        if (fields.length > 0) throw new HeaderError('a table size within headers');
        this.#resize(this.#integer(5));
        continue;
      }
      const field = first & 0x80 ? this.#entry(this.#integer(7)) : this.#literal(first);
      listBytes += field.name.length + field.value.length + entryOverheadBytes;
      if (listBytes > this.#maxListBytes)
        throw new HeaderError(`headers of more than ${this.#maxListBytes} bytes`);
      fields.push(field);
    }
    return fields;
  }

  #literal(first: number): HeaderField {
    const isKept = (first & 0xc0) === 0x40;
    const index = this.#integer(isKept ? 6 : 4);
    const name = index === 0 ? this.#string() : this.#entry(index).name;
    const field = { name, value: this.#string() };
    if (isKept) this.#keep(field);
    return field;
  }

  #entry(index: number): HeaderField {
    const field =
      index <= staticTable.length ? staticTable[index - 1] : this.#dynamic[index - staticTable.length - 1];
    if (!field) throw new HeaderError('a header that is in no table');
    return field;
  }

  #keep(field: HeaderField): void {
    this.#dynamic.unshift(field);
    this.#tableBytes += sizeOf(field);
    this.#evict();
  }

  #resize(bytes: number): void {
    if (bytes > maxTableBytes) throw new HeaderError('a table larger than allowed');
    this.#limitBytes = bytes;
    this.#evict();
  }

  #evict(): void {
    while (this.#tableBytes > this.#limitBytes) this.#tableBytes -= sizeOf(this.#dynamic.pop()!);
  }

  /** Section 5.1. */
  #integer(prefixBits: number): number {
    const most = (1 << prefixBits) - 1;
    let value = this.#byte() & most;
    if (value < most) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new HeaderError('a number beyond all bounds');
  }

  /** Section 5.2. */
  #string(): string {
    const isHuffman = this.#bytes[this.#at]! >= 0x80;
    const length = this.#integer(7);
    const start = this.#at;
    const end = start + length;
    if (end > this.#bytes.length) throw new HeaderError('a text that reaches past the end');
    this.#at = end;
    if (isHuffman) {
      const text = decodeHuffman(this.#bytes, start, end);
      if (text === undefined) throw new HeaderError('a text that is no Huffman code');
      return text;
    }
    let text = '';
    for (let at = start; at < end; at++) text += String.fromCharCode(this.#bytes[at]!);
    return text;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new HeaderError('a block that ends early');
    this.#at += 1;
    return byte;
  }
}

const sizeOf = ({ name, value }: HeaderField): number => name.length + value.length + entryOverheadBytes;
