import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EnvoyApi } from './envoy-api.js';
import { withStruct } from './flat-struct.js';

const message = EnvoyApi.load().root.lookupType('envoy.service.auth.v3.CheckResponse');
const dynamicMetadata = 4;

test('whatever is written reads as the struct that it was, of any length and in any script', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 300 });
  // A protobuf reader of JavaScript has its own ways with this name.
  const name = text.filter((each) => each !== '__proto__');
  const value = fc.oneof(text, fc.double({ noNaN: true }), fc.boolean());
  fc.assert(
    fc.property(fc.dictionary(name, value, { maxKeys: 20, noNullPrototype: true }), (values) => {
      const read = message.toObject(message.decode(withStruct(new Uint8Array(), dynamicMetadata, values)));
      const fields = Object.entries(read.dynamic_metadata.fields ?? {}) as [string, object][];
      assert.deepEqual(
        fields.map(([key, held]) => [key, Object.values(held)[0]]),
        Object.entries(values),
      );
    }),
  );
});
