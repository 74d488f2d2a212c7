import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { EnvoyApi } from '../../shells/envoy-api/envoy-api.js';
import { Encoder } from './encoder.js';

const { root } = EnvoyApi.load();
const encoder = new Encoder(root);

/** Message types with every kind of field among them: maps, oneofs, packed numbers, enums, bytes, nested Anys. */
const sampled = [
  'envoy.config.cluster.v3.Cluster',
  'envoy.config.endpoint.v3.ClusterLoadAssignment',
  'envoy.config.listener.v3.Listener',
  'envoy.extensions.transport_sockets.tls.v3.Secret',
  'envoy.service.runtime.v3.Runtime',
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
];

test('what is encoded decodes back to the same', () => {
  fc.assert(
    fc.property(anyMessage(), ([name, message]) => {
      const type = root.lookupType(name);
      const decoded = type.decode(encoder.encode(name, message));
      assert.deepEqual(plain(type, decoded as unknown as Message), plain(type, message));
    }),
    { numRuns: 300 },
  );
});

test('the order of properties does not show in the bytes', () => {
  fc.assert(
    fc.property(anyMessage(), ([name, message]) => {
      assert.deepEqual(encoder.encode(name, reversed(message) as object), encoder.encode(name, message));
    }),
    { numRuns: 100 },
  );
});

test('a misspelt field is refused wherever it stands', () => {
  fc.assert(
    fc.property(anyMessage(), fc.nat(), ([name, message], seed) => {
      const paths = messagePaths(message);
      const path = paths[seed % paths.length]!;
      const misspelt = structuredClone(message);
      let at: Message = misspelt;
      for (const step of path) at = at[step] as Message;
      at.conect_timeout = {};
      assert.throws(
        () => encoder.encode(name, misspelt),
        /conect_timeout: expected a field of .*, found an unknown one/,
      );
    }),
    { numRuns: 200 },
  );
});

const cluster = 'envoy.config.cluster.v3.Cluster';
const refusals: readonly [why: string, type: string, message: object, error: RegExp][] = [
  ['a number for a string', cluster, { name: 7 }, /Cluster\.name: expected a string, found 7$/],
  ['null', cluster, { connect_timeout: null }, /connect_timeout: expected a message .*Duration, found null$/],
  ['undefined', cluster, { name: undefined }, /name: expected a string, found a undefined$/],
  ['an unknown enum name', cluster, { type: 'EDZ' }, /type: expected one of STATIC, .*, found "EDZ"$/],
  ['an enum by number', cluster, { type: 3 }, /type: expected one of STATIC/],
  ['a name that objects inherit as enum', cluster, { type: 'toString' }, /type: expected one of STATIC/],
  [
    'a fraction for a whole number',
    'google.protobuf.UInt32Value',
    { value: 1.5 },
    /value: expected uint32 from 0 to 4294967295, found 1.5$/,
  ],
  ['a negative unsigned', 'google.protobuf.UInt32Value', { value: -1 }, /expected uint32/],
  ['one past the largest', 'google.protobuf.UInt32Value', { value: 2 ** 32 }, /expected uint32/],
  ['an int32 that is too large', 'google.protobuf.Int32Value', { value: 2 ** 31 }, /expected int32/],
  ['more than a number holds exactly', 'google.protobuf.UInt64Value', { value: 2 ** 53 }, /expected uint64/],
  ['NaN', 'google.protobuf.DoubleValue', { value: Number.NaN }, /expected double/],
  ['a text for bytes', 'google.protobuf.BytesValue', { value: 'aGk=' }, /expected bytes, found a string$/],
  [
    'half a surrogate pair',
    'google.protobuf.StringValue',
    { value: '\ud800' },
    /expected well-formed Unicode/,
  ],
  [
    'a single value for a list',
    cluster,
    { health_checks: {} },
    /health_checks: expected an array, found an object$/,
  ],
  ['a list for a message', cluster, { connect_timeout: [] }, /connect_timeout: expected a message/],
  [
    'two members of one oneof',
    'envoy.config.core.v3.SocketAddress',
    { port_value: 1, named_port: 'x' },
    /named_port: expected one member of port_specifier, found port_value as well$/,
  ],
  [
    'an Any without @type',
    'envoy.config.core.v3.TypedExtensionConfig',
    { name: 'x', typed_config: { a: 1 } },
    /typed_config\.@type: expected 'type.googleapis.com\/…', found a undefined$/,
  ],
  [
    'an Any of an unknown type',
    'envoy.config.core.v3.TypedExtensionConfig',
    { typed_config: { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Clustre' } },
    /typed_config\.@type: expected the full name of a known message, found "envoy.config.cluster.v3.Clustre"$/,
  ],
  [
    'an Any whose type has only the end of a name',
    'envoy.config.core.v3.TypedExtensionConfig',
    { typed_config: { '@type': 'type.googleapis.com/Cluster' } },
    /expected the full name of a known message/,
  ],
  [
    'a misspelt field inside an Any',
    'envoy.config.core.v3.TypedExtensionConfig',
    { typed_config: { '@type': 'type.googleapis.com/google.protobuf.StringValue', valeu: '' } },
    /typed_config\(google.protobuf.StringValue\)\.valeu: expected a field/,
  ],
  ['an unknown type', 'envoy.config.cluster.v3.Nothing', {}, /expected the full name of a known message/],
];

for (const [why, type, message, error] of refusals)
  test(`refuses ${why}`, () => assert.throws(() => encoder.encode(type, message), error));

test('refuses a message that contains itself', () => {
  const value: Record<string, unknown> = {};
  value.listValue = { values: [value] };
  assert.throws(() => encoder.encode('google.protobuf.Value', value), /at most 64 nested messages/);
});

test('no error repeats the text of a value', () => {
  const secret = { tls_certificate: { private_key: { inline_bytes: 'hunter2' } } };
  assert.throws(
    () => encoder.encode('envoy.extensions.transport_sockets.tls.v3.Secret', secret),
    (error: Error) => !error.message.includes('hunter2'),
  );
});

test('map entries are in the order of their keys', () => {
  const one = encoder.encode('google.protobuf.Struct', {
    fields: { a: { numberValue: 1 }, b: { numberValue: 2 } },
  });
  const other = encoder.encode('google.protobuf.Struct', {
    fields: { b: { numberValue: 2 }, a: { numberValue: 1 } },
  });
  assert.deepEqual(one, other);
});

test('a default without presence is not written', () => {
  const message = {
    name: '',
    lb_policy: 'ROUND_ROBIN',
    respect_dns_ttl: false,
    health_checks: [],
    typed_extension_protocol_options: {},
  };
  assert.equal(encoder.encode(cluster, message).length, 0);
});

test('a member of a oneof is written though it is the default', () => {
  const bytes = encoder.encode('envoy.config.core.v3.SocketAddress', { address: '::', port_value: 0 });
  const type = root.lookupType('envoy.config.core.v3.SocketAddress');
  assert.equal((type.decode(bytes) as unknown as Message).port_specifier, 'port_value');
});

type Message = { [field: string]: unknown };

function anyMessage(): fc.Arbitrary<readonly [string, Message]> {
  return fc
    .constantFrom(...sampled)
    .chain((name) => fc.tuple(fc.constant(name), messageOf(root.lookupType(name), 3)));
}

function messageOf(type: protobuf.Type, depth: number): fc.Arbitrary<Message> {
  const free = type.fieldsArray.filter((field) => !field.partOf);
  const single = Object.fromEntries(
    free.map((field) => [field.name, fc.option(fieldOf(field, depth), { freq: 1, nil: undefined })]),
  );
  const choices = type.oneofsArray.map((oneof) =>
    fc
      .constantFrom(undefined, ...oneof.fieldsArray)
      .chain(
        (field): fc.Arbitrary<Message> =>
          field
            ? fieldOf(field, depth).map((value) => (value === undefined ? {} : { [field.name]: value }))
            : fc.constant({}),
      ),
  );
  return fc
    .tuple(fc.record(single), ...choices)
    .map((parts) =>
      Object.fromEntries(
        Object.entries(Object.assign({}, ...parts)).filter(([, value]) => value !== undefined),
      ),
    );
}

/** Undefined where nesting ends. */
function fieldOf(field: protobuf.Field, depth: number): fc.Arbitrary<unknown> {
  const one = elementOf(field, depth);
  if (!one) return fc.constant(undefined);
  if (field.map)
    return fc.dictionary(
      fc.string({ maxLength: 4 }).filter((key) => key !== '__proto__'),
      one,
      { maxKeys: 2, noNullPrototype: true },
    );
  return field.repeated ? fc.array(one, { maxLength: 2 }) : one;
}

function elementOf(field: protobuf.Field, depth: number): fc.Arbitrary<unknown> | undefined {
  const type = field.resolvedType;
  if (type instanceof protobuf.Enum) return fc.constantFrom(...Object.keys(type.values));
  if (type instanceof protobuf.Type) {
    if (depth === 0) return undefined;
    if (type.fullName === '.google.protobuf.Any')
      return fc.constantFrom('google.protobuf.StringValue', ...sampled).chain((name) =>
        messageOf(root.lookupType(name), depth - 1).map((each) => ({
          '@type': `type.googleapis.com/${name}`,
          ...each,
        })),
      );
    return messageOf(type, depth - 1);
  }
  switch (field.type) {
    case 'string':
      return fc.string({ unit: 'grapheme', maxLength: 5 });
    case 'bytes':
      return fc.uint8Array({ maxLength: 5 });
    case 'bool':
      return fc.boolean();
    case 'double':
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case 'float':
      return fc.float({ noNaN: true, noDefaultInfinity: true });
    case 'uint32':
      return fc.integer({ min: 0, max: 2 ** 32 - 1 });
    case 'uint64':
      return fc.maxSafeNat();
    case 'int64':
      return fc.maxSafeInteger();
    default:
      return fc.integer();
  }
}

/** A message as the wire has it: without defaults that have no presence, an Any opened, decoded or not yet encoded. */
function plain(type: protobuf.Type, message: Message): Message {
  const result: Message = {};
  for (const field of type.fieldsArray) {
    if (!Object.hasOwn(message, field.name)) continue;
    const value = message[field.name];
    if (field.map) {
      const entries = Object.entries(value as Message);
      if (entries.length > 0)
        result[field.name] = Object.fromEntries(
          entries.map(([key, each]) => [key, plainElement(field, each)]),
        );
    } else if (field.repeated) {
      if ((value as unknown[]).length > 0)
        result[field.name] = (value as unknown[]).map((each) => plainElement(field, each));
    } else {
      const element = plainElement(field, value);
      const isDefault = Object.is(element, 0) || element === '' || element === false || element === '0';
      const isEmpty = Array.isArray(element) && element.length === 0;
      if (field.partOf || field.resolvedType instanceof protobuf.Type || !(isDefault || isEmpty))
        result[field.name] = element;
    }
  }
  return result;
}

function plainElement(field: protobuf.Field, value: unknown): unknown {
  const type = field.resolvedType;
  if (type instanceof protobuf.Enum) return String(typeof value === 'string' ? type.values[value] : value);
  if (type instanceof protobuf.Type) {
    if (type.fullName !== '.google.protobuf.Any') return plain(type, value as Message);
    const opened = value as Message;
    if (typeof opened['@type'] === 'string') {
      const url = opened['@type'];
      return { '@type': url, ...plain(root.lookupType(url.split('/')[1]!), opened) };
    }
    const inner = root.lookupType(String(opened.type_url).split('/')[1]!);
    const bytes = (opened.value ?? new Uint8Array()) as Uint8Array;
    return { '@type': opened.type_url, ...plain(inner, inner.decode(bytes) as unknown as Message) };
  }
  if (value instanceof Uint8Array) return [...value];
  return typeof value === 'object' ? Number(String(value)) : value;
}

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, each]) => [key, reversed(each)]),
  );
}

/** Paths to every object that is a message and not a map. */
function messagePaths(message: Message, at: readonly string[] = []): (readonly string[])[] {
  const nested = Object.entries(message).flatMap(([key, value]) => {
    if (Array.isArray(value))
      return value.flatMap((each, i) => (isMessage(each) ? messagePaths(each, [...at, key, String(i)]) : []));
    return isMessage(value) && !maps.has(key) ? messagePaths(value, [...at, key]) : [];
  });
  return [at, ...nested];
}

/** Names of map fields in the sampled types and all that they contain. */
const maps = new Set(
  (function collect(namespace: protobuf.NamespaceBase): string[] {
    return namespace.nestedArray.flatMap((each) => [
      ...(each instanceof protobuf.Type
        ? each.fieldsArray.filter((field) => field.map).map(({ name }) => name)
        : []),
      ...(each instanceof protobuf.Namespace ? collect(each) : []),
    ]);
  })(root),
);

function isMessage(value: unknown): value is Message {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}
