/**
 * A google.protobuf.Struct of one level as bytes, written by hand into one buffer: an answer for each check is all that
 * it is for, and a general writer builds it out of fifty small pieces first.
 */

export type FlatValue = string | number | boolean;

const tag = { text: 2, fixed64: 1, varint: 0 } as const;

/** Field numbers: google/protobuf/struct.proto. */
const entryTag = (1 << 3) | tag.text;
const keyTag = (1 << 3) | tag.text;
const valueTag = (2 << 3) | tag.text;
const numberTag = (2 << 3) | tag.fixed64;
const stringTag = (3 << 3) | tag.text;
const boolTag = (4 << 3) | tag.varint;

/**
 * @param head what stands before it
 * @param field the number that it has in its message, at most 15
 */
export function withStruct(
  head: Uint8Array,
  field: number,
  values: Readonly<Record<string, FlatValue>>,
): Uint8Array {
  const names = Object.keys(values);
  let size = 0;
  for (const name of names) size += nested(entryBytes(name, values[name]!));
  const bytes = Buffer.allocUnsafe(head.length + nested(size));
  bytes.set(head);
  bytes[head.length] = (field << 3) | tag.text;
  let at = writeVarint(bytes, head.length + 1, size);
  for (const name of names) at = writeEntry(bytes, at, name, values[name]!);
  return bytes;
}

function entryBytes(name: string, value: FlatValue): number {
  return nested(Buffer.byteLength(name)) + nested(valueBytes(value));
}

function valueBytes(value: FlatValue): number {
  if (typeof value === 'string') return nested(Buffer.byteLength(value));
  return typeof value === 'number' ? 9 : 2;
}

/** With its tag and its length. */
function nested(bytes: number): number {
  return 1 + varintBytes(bytes) + bytes;
}

function writeEntry(bytes: Buffer, from: number, name: string, value: FlatValue): number {
  bytes[from] = entryTag;
  let at = writeVarint(bytes, from + 1, entryBytes(name, value));
  at = writeText(bytes, at, keyTag, name);
  bytes[at] = valueTag;
  at = writeVarint(bytes, at + 1, valueBytes(value));
  if (typeof value === 'string') return writeText(bytes, at, stringTag, value);
  if (typeof value === 'number') {
    bytes[at] = numberTag;
    return bytes.writeDoubleLE(value, at + 1);
  }
  bytes[at] = boolTag;
  bytes[at + 1] = value ? 1 : 0;
  return at + 2;
}

function writeText(bytes: Buffer, from: number, textTag: number, text: string): number {
  bytes[from] = textTag;
  const at = writeVarint(bytes, from + 1, Buffer.byteLength(text));
  return at + bytes.write(text, at);
}

function varintBytes(value: number): number {
  let count = 1;
  for (let left = value >>> 7; left > 0; left >>>= 7) count += 1;
  return count;
}

function writeVarint(bytes: Buffer, from: number, value: number): number {
  let at = from;
  let left = value;
  for (; left > 127; left >>>= 7) bytes[at++] = (left & 127) | 128;
  bytes[at] = left;
  return at + 1;
}
