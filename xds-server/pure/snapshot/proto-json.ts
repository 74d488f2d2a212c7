import type { Field, Root } from 'protobufjs';
import protobuf from 'protobufjs';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/**
 * Encoded bytes in the JSON form that Envoy reads (`-c`) and prints (config dumps): snake_case fields, durations as
 * `"5s"`, wrappers as their value, an Any opened. It reads the bytes and not the object that they were made from, so
 * it shows what a node gets. https://protobuf.dev/programming-guides/json/
 */
export function protoJson(root: Root, typeName: string, bytes: Uint8Array): JsonObject {
  const type = root.lookupType(typeName);
  return message(root, type, type.decode(bytes) as unknown as Decoded) as JsonObject;
}

/** A decoded message: own properties are the fields that were on the wire. */
type Decoded = { readonly [field: string]: unknown };

function message(root: Root, type: protobuf.Type, value: Decoded): Json {
  const special = wellKnown[type.fullName];
  if (special) return special(root, value);
  const json: { [key: string]: Json } = {};
  for (const field of [...type.fieldsArray].sort((a, b) => a.id - b.id)) {
    if (!Object.hasOwn(value, field.name)) continue;
    const found = value[field.name];
    // The decoder puts an empty list or map where there was none.
    if ((field.map || field.repeated) && Object.keys(found as object).length === 0) continue;
    if (field.map) {
      const entries = Object.entries(found as Decoded).sort(([a], [b]) => (a < b ? -1 : 1));
      json[field.name] = Object.fromEntries(entries.map(([key, each]) => [key, element(root, field, each)]));
    } else if (field.repeated) {
      json[field.name] = (found as readonly unknown[]).map((each) => element(root, field, each));
    } else {
      json[field.name] = element(root, field, found);
    }
  }
  return json;
}

function element(root: Root, field: Field, value: unknown): Json {
  const type = field.resolvedType;
  if (type instanceof protobuf.Type) return message(root, type, value as Decoded);
  if (type instanceof protobuf.Enum) return type.valuesById[value as number] ?? (value as number);
  if (value instanceof Uint8Array) return protobuf.util.base64.encode(value, 0, value.length);
  if (typeof value === 'object') return String(value);
  return value as Json;
}

const wrapper = (unset: Json) => (_: Root, value: Decoded) =>
  Object.hasOwn(value, 'value') ? number(value.value) : unset;

const wellKnown: Readonly<Record<string, (root: Root, value: Decoded) => Json>> = {
  '.google.protobuf.Any': any,
  '.google.protobuf.Duration': (_, value) => {
    const nanos = String(Number(value.nanos ?? 0))
      .padStart(9, '0')
      .replace(/0+$/, '');
    return `${number(value.seconds ?? 0)}${nanos ? `.${nanos}` : ''}s`;
  },
  '.google.protobuf.Struct': struct,
  '.google.protobuf.Value': jsonValue,
  '.google.protobuf.BoolValue': wrapper(false),
  '.google.protobuf.StringValue': wrapper(''),
  '.google.protobuf.UInt32Value': wrapper(0),
  '.google.protobuf.UInt64Value': wrapper(0),
  '.google.protobuf.Int32Value': wrapper(0),
  '.google.protobuf.Int64Value': wrapper(0),
  '.google.protobuf.DoubleValue': wrapper(0),
};

function any(root: Root, value: Decoded): Json {
  const url = String(value.type_url);
  const type = root.lookupType(url.slice(url.indexOf('/') + 1));
  const inner = message(root, type, type.decode((value.value ?? new Uint8Array()) as Uint8Array) as never);
  // A type whose JSON form is its own stands under "value".
  return type.fullName in wellKnown
    ? { '@type': url, value: inner }
    : { '@type': url, ...(inner as JsonObject) };
}

function struct(root: Root, value: Decoded): Json {
  const fields = Object.entries((value.fields ?? {}) as Record<string, Decoded>);
  return Object.fromEntries(fields.map(([key, each]) => [key, jsonValue(root, each)]));
}

function jsonValue(root: Root, value: Decoded): Json {
  if (Object.hasOwn(value, 'structValue')) return struct(root, value.structValue as Decoded);
  if (Object.hasOwn(value, 'listValue')) {
    const { values = [] } = value.listValue as { values?: readonly Decoded[] };
    return values.map((each) => jsonValue(root, each));
  }
  for (const kind of ['stringValue', 'numberValue', 'boolValue'] as const)
    if (Object.hasOwn(value, kind)) return value[kind] as Json;
  return null;
}

/** 64-bit numbers are decoded as objects; every one in use is far below 2^53. */
function number(value: unknown): Json {
  return typeof value === 'object' ? Number(String(value)) : (value as Json);
}
