import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EnvoyApi } from '../../shells/envoy-api/envoy-api.js';
import { Encoder } from './encoder.js';
import { any, durationMs, struct } from './messages.js';
import { protoJson } from './proto-json.js';

const { root } = EnvoyApi.load();
const encoder = new Encoder(root);
const through = (type: string, message: object) => protoJson(root, type, encoder.encode(type, message));

test('durations, wrappers and enums are written as Envoy reads them', () => {
  const cluster = {
    connect_timeout: durationMs(1250),
    type: 'EDS',
    per_connection_buffer_limit_bytes: { value: 7 },
  };
  assert.deepEqual(through('envoy.config.cluster.v3.Cluster', cluster), {
    type: 'EDS',
    connect_timeout: '1.25s',
    per_connection_buffer_limit_bytes: 7,
  });
});

test('nothing and zero are there where they were set', () => {
  assert.deepEqual(
    through('envoy.config.cluster.v3.Cluster', { connect_timeout: durationMs(0), wait_for_warm_on_init: {} }),
    { connect_timeout: '0s', wait_for_warm_on_init: false },
  );
});

test('a struct is JSON again', () => {
  const layer = { a: 1.5, b: ['x', true, null, { c: '' }], d: {} };
  assert.deepEqual(through('envoy.service.runtime.v3.Runtime', { name: 'n', layer: struct(layer) }), {
    name: 'n',
    layer,
  });
});

test('an Any is opened, and one with a JSON form of its own has it under "value"', () => {
  const open = (typed: object) =>
    through('envoy.config.core.v3.TypedExtensionConfig', { typed_config: typed });
  assert.deepEqual(open(any('google.protobuf.Struct', struct({ a: 1 }))), {
    typed_config: { '@type': 'type.googleapis.com/google.protobuf.Struct', value: { a: 1 } },
  });
  assert.deepEqual(open(any('envoy.config.core.v3.SocketAddress', { address: '::', port_value: 0 })), {
    typed_config: {
      '@type': 'type.googleapis.com/envoy.config.core.v3.SocketAddress',
      address: '::',
      port_value: 0,
    },
  });
});

test('bytes are base64', () => {
  assert.deepEqual(through('envoy.config.core.v3.DataSource', { inline_bytes: new Uint8Array([104, 105]) }), {
    inline_bytes: 'aGk=',
  });
});
