import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeHeaders } from './encode-headers.js';
import { HeaderDecoder, HeaderError } from './header-decoder.js';
import type { HeaderField } from './static-table.js';

const bytes = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const lines = (fields: readonly HeaderField[]): string[] =>
  fields.map(({ name, value }) => `${name}: ${value}`);

test('the examples of RFC 7541, C.4: Huffman codes and a table that grows', () => {
  const decoder = new HeaderDecoder(10_000);
  const request = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'];
  assert.deepEqual(lines(decoder.decode(bytes('8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'))), request);
  assert.deepEqual(lines(decoder.decode(bytes('8286 84be 5886 a8eb 1064 9cbf'))), [
    ...request,
    'cache-control: no-cache',
  ]);
  assert.deepEqual(
    lines(decoder.decode(bytes('8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'))),
    [
      ':method: GET',
      ':scheme: https',
      ':path: /index.html',
      ':authority: www.example.com',
      'custom-key: custom-value',
    ],
  );
});

test('an entry that does not fit leaves the table empty, and a smaller table forgets the oldest', () => {
  const decoder = new HeaderDecoder(100_000);
  const kept = (name: string, value: string): Uint8Array => {
    const literal = encodeHeaders([{ name, value }]);
    literal[0] = 0x40;
    return literal;
  };
  decoder.decode(kept('a', '1'));
  decoder.decode(kept('b', '2'));
  assert.deepEqual(lines(decoder.decode(bytes('bebf'))), ['b: 2', 'a: 1']);
  // To 40 bytes: room for one.
  assert.deepEqual(lines(decoder.decode(bytes('3f09 be'))), ['b: 2']);
  assert.throws(() => decoder.decode(bytes('bf')), HeaderError);
  decoder.decode(bytes('3fe11f'));
  decoder.decode(kept('c', 'x'.repeat(5_000)));
  assert.throws(() => decoder.decode(bytes('be')), HeaderError);
});

for (const [what, hex] of [
  ['an index of 0', '80'],
  ['an index beyond both tables', 'be'],
  ['a table larger than allowed', '3fe21f'],
  ['a table size after a header', '82 20'],
  ['a number without an end', 'ff ffffffffffff'],
  ['a text that reaches past the end', '00 05 61'],
  ['a literal without a value', '00 01 61'],
  ['padding that is no beginning of EOS', '00 01 61 81 18'],
  ['padding of a whole octet', '00 01 61 82 1fff'],
  ['EOS itself', '00 01 61 84 ffffffff'],
] as const)
  test(`a block with ${what} is refused`, () => {
    assert.throws(() => new HeaderDecoder(10_000).decode(bytes(hex)), HeaderError);
  });

test('headers that are small on the wire and large in memory are refused', () => {
  const decoder = new HeaderDecoder(16_384);
  const large = encodeHeaders([{ name: 'a', value: 'x'.repeat(3_000) }]);
  large[0] = 0x40;
  decoder.decode(large);
  assert.throws(() => decoder.decode(new Uint8Array(1_000).fill(0xbe)), /more than 16384 bytes/);
});

test('what is written is read again, whatever it is', () => {
  const text = fc.string({ unit: 'binary-ascii', maxLength: 300 });
  fc.assert(
    fc.property(
      fc.array(fc.record({ name: text, value: text }, { noNullPrototype: true }), { maxLength: 5 }),
      (fields) => {
        assert.deepEqual(new HeaderDecoder(100_000).decode(encodeHeaders(fields)), fields);
      },
    ),
  );
});

test('any bytes are headers or are refused', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (blocks) => {
      const decoder = new HeaderDecoder(4_096);
      try {
        for (const block of blocks) decoder.decode(block);
      } catch (error) {
        assert.ok(error instanceof HeaderError, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});
