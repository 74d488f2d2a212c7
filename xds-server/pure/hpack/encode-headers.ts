/** Writes a header block: every field a literal that no table keeps, so any connection can be sent the same bytes. */
import type { HeaderField } from './static-table.js';

/** @param fields ASCII, names in small letters */
export function encodeHeaders(fields: readonly HeaderField[]): Uint8Array {
  const bytes: number[] = [];
  const integer = (value: number, prefixBits: number): void => {
    const most = (1 << prefixBits) - 1;
    bytes.push(Math.min(value, most));
    for (let left = value - most; left >= 0; left = left < 0x80 ? -1 : left >>> 7)
      bytes.push(left < 0x80 ? left : (left & 0x7f) | 0x80);
  };
  const text = (value: string): void => {
    integer(value.length, 7);
    for (let at = 0; at < value.length; at++) bytes.push(value.charCodeAt(at) & 0xff);
  };
  for (const { name, value } of fields) {
    bytes.push(0);
    text(name);
    text(value);
  }
  return Uint8Array.from(bytes);
}
