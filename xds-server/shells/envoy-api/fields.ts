/**
 * Reads single fields out of Envoy's messages without building the rest of them: checks and log entries come once
 * or more for each connection, and of their hundreds of fields the brain wants a dozen. What is not wanted is
 * skipped, and so is what a later Envoy adds.
 */
import protobuf from 'protobufjs';

export type FieldReader = protobuf.Reader;

/** A google.protobuf.Struct of one level; lists, nested structs and nulls are left out. */
export type FlatStruct = ReadonlyMap<string, string | number | boolean>;

export const readerOf = (bytes: Uint8Array): FieldReader => protobuf.Reader.create(bytes);

/**
 * Visits the fields of the message that the reader stands in, up to `end` (a position).
 *
 * @param take is given the field's number with the reader before its value; it reads the value and returns true, or
 *   leaves it and returns false
 * @throws RangeError / Error when the bytes are no protobuf message
 */
export function eachField(reader: FieldReader, end: number, take: (field: number) => boolean): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (!take(tag >>> 3)) reader.skipType(tag & 7);
  }
  if (reader.pos !== end) throw new RangeError('a field reaches past the end of its message');
}

/** Enters the nested message that the reader stands before. */
export function eachNested(reader: FieldReader, take: (field: number) => boolean): void {
  const length = reader.uint32();
  eachField(reader, reader.pos + length, take);
}

export interface SocketAddress {
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** envoy.config.core.v3.Address; undefined for pipes and internal addresses. */
export function readAddress(reader: FieldReader): SocketAddress | undefined {
  let host = '';
  let port = 0;
  eachNested(reader, (field) => {
    if (field !== 1) return false;
    eachNested(reader, (inner) => {
      if (inner === 2) host = reader.string();
      else if (inner === 3) port = reader.uint32();
      else return false;
      return true;
    });
    return true;
  });
  return host === '' ? undefined : { host, port };
}

/** envoy.config.core.v3.Metadata → the structs of the namespaces that `wanted` names. */
export function readMetadata(
  reader: FieldReader,
  wanted: ReadonlySet<string>,
  into: Map<string, FlatStruct>,
): void {
  eachNested(reader, (field) => {
    if (field !== 1) return false;
    let namespace = '';
    eachNested(reader, (inner) => {
      if (inner === 1) namespace = reader.string();
      else if (inner === 2 && wanted.has(namespace)) into.set(namespace, readStruct(reader));
      else return false;
      return true;
    });
    return true;
  });
}

function readStruct(reader: FieldReader): FlatStruct {
  const struct = new Map<string, string | number | boolean>();
  eachNested(reader, (field) => {
    if (field !== 1) return false;
    let name = '';
    eachNested(reader, (inner) => {
      if (inner === 1) name = reader.string();
      else if (inner === 2) readValue(reader, (value) => struct.set(name, value));
      else return false;
      return true;
    });
    return true;
  });
  return struct;
}

function readValue(reader: FieldReader, set: (value: string | number | boolean) => void): void {
  eachNested(reader, (field) => {
    if (field === 2) set(reader.double());
    else if (field === 3) set(reader.string());
    else if (field === 4) set(reader.bool());
    else return false;
    return true;
  });
}

/** A google.protobuf.Duration or Timestamp (both: seconds = 1, nanos = 2) in milliseconds. */
export function readMilliseconds(reader: FieldReader): number {
  let ms = 0;
  eachNested(reader, (field) => {
    if (field === 1) ms += Number(reader.int64()) * 1000;
    else if (field === 2) ms += reader.int32() / 1e6;
    else return false;
    return true;
  });
  return ms;
}

/** Writes a google.protobuf.Struct of one level as the field `tag` of the message being written. */
export function writeStruct(
  writer: protobuf.Writer,
  field: number,
  values: Iterable<readonly [string, string | number | boolean]>,
): void {
  writer.uint32((field << 3) | 2).fork();
  for (const [name, value] of values) {
    writer.uint32((1 << 3) | 2).fork();
    writer.uint32((1 << 3) | 2).string(name);
    writer.uint32((2 << 3) | 2).fork();
    if (typeof value === 'number') writer.uint32((2 << 3) | 1).double(value);
    else if (typeof value === 'string') writer.uint32((3 << 3) | 2).string(value);
    else writer.uint32(4 << 3).bool(value);
    writer.ldelim().ldelim();
  }
  writer.ldelim();
}
