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
  assertAt(reader, end);
}

/** Enters the nested message that the reader stands before. */
export function eachNested(reader: FieldReader, take: (field: number) => boolean): void {
  eachField(reader, endOfNested(reader), take);
}

export interface SocketAddress {
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** No IP address is longer, with the interface that one of IPv6 may name. */
export const maxHostChars = 64;

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
  return host === '' || host.length > maxHostChars ? undefined : { host, port };
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

/** Loops within loops, and no function for each field: some thirty of them come with each check and each log entry. */
function readStruct(reader: FieldReader): FlatStruct {
  const struct = new Map<string, string | number | boolean>();
  const end = endOfNested(reader);
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 === 1) readEntry(reader, struct);
    else reader.skipType(tag & 7);
  }
  assertAt(reader, end);
  return struct;
}

function readEntry(reader: FieldReader, struct: Map<string, string | number | boolean>): void {
  const end = endOfNested(reader);
  let name = '';
  let value: string | number | boolean | undefined;
  while (reader.pos < end) {
    const tag = reader.uint32();
    const field = tag >>> 3;
    if (field === 1) name = reader.string();
    else if (field === 2) value = readValue(reader);
    else reader.skipType(tag & 7);
  }
  assertAt(reader, end);
  if (value !== undefined) struct.set(name, value);
}

function readValue(reader: FieldReader): string | number | boolean | undefined {
  const end = endOfNested(reader);
  let value: string | number | boolean | undefined;
  while (reader.pos < end) {
    const tag = reader.uint32();
    const field = tag >>> 3;
    if (field === 2) value = reader.double();
    else if (field === 3) value = reader.string();
    else if (field === 4) value = reader.bool();
    else reader.skipType(tag & 7);
  }
  assertAt(reader, end);
  return value;
}

function endOfNested(reader: FieldReader): number {
  const length = reader.uint32();
  return reader.pos + length;
}

function assertAt(reader: FieldReader, end: number): void {
  if (reader.pos !== end) throw new RangeError('a field reaches past the end of its message');
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
