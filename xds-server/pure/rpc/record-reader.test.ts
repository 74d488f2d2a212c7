import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { bookBytes } from './gathered.js';
import { MessageReader, wholeBytes } from './message-reader.js';
import { RecordReader } from './record-reader.js';
import { Rooms } from './rooms.js';

const listField = 3;
const maxRecordBytes = 300;
const bounds = { field: listField, maxRecordBytes };

type Field = [number, number, Uint8Array | number];

/** A field's bytes: its number, how it is written, its value. */
const field: fc.Arbitrary<Field> = fc.oneof(
  fc.tuple(fc.constantFrom(1, 2, 20_000), fc.constant(2), fc.uint8Array({ maxLength: 200 })),
  fc.tuple(fc.constantFrom(1, 3), fc.constantFrom(0, 1, 5), fc.nat()),
);
function written(fields: readonly Field[]): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const [number, type, value] of fields) {
    writer.uint32((number << 3) | type);
    if (typeof value !== 'number') writer.bytes(value);
    else if (type === 0) writer.int64(-value);
    else if (type === 1) writer.fixed64(value);
    else writer.fixed32(value);
  }
  return Buffer.from(writer.finish());
}

/** What stands around lists, and lists. */
const message = fc.array(fc.tuple(fc.array(field, { maxLength: 3 }), fc.array(field, { maxLength: 8 })), {
  maxLength: 4,
});

/** `bytes`, in pieces of these lengths, again and again. */
function* cut(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const length = lengths[index % lengths.length]!;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}
const lengths = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 10 });

const fieldsOf = (bytes: Uint8Array): number => {
  const reader = protobuf.Reader.create(bytes);
  let fields = 0;
  for (; reader.pos < reader.len; fields++) reader.skipType(reader.uint32() & 7);
  assert.equal(reader.pos, reader.len, 'the last one is whole');
  return fields;
};

test('however a message is cut, the records of its lists come out whole and in their order, and what waits is less than one', () => {
  fc.assert(
    fc.property(message, lengths, (parts, sizes) => {
      const lists = parts.map(([, records]) => written(records));
      const around = parts.map(([fields]) => fields.filter(([n]) => n !== listField));
      const bytes = Buffer.concat(
        lists.flatMap((list, index) => [written(around[index]!), written([[listField, 2, list]])]),
      );
      const rooms = new Rooms({ ofEach: 1 << 20, ofAll: 1 << 20 });
      const reader = new RecordReader(bounds, rooms.of('edge-1'));
      reader.begin(bytes.length);
      const pieces: Uint8Array[] = [];
      for (const piece of cut(bytes, sizes)) {
        const goesOn = reader.push(piece, (records) => {
          assert.ok(fieldsOf(records) > 0);
          assert.ok(records.length < maxRecordBytes + piece.length, 'no more than has come');
          return pieces.push(Buffer.from(records)) > 0;
        });
        assert.equal(goesOn, true);
        assert.ok(rooms.taken <= bookBytes + maxRecordBytes);
      }
      assert.deepEqual([reader.left, rooms.taken], [0, 0]);
      assert.ok(Buffer.concat(pieces).equals(Buffer.concat(lists)));
    }),
  );
});

test('bytes that are no list of records never hang it, and are refused where they reach past their end', () => {
  const read = (bytes: Uint8Array, sizes: readonly number[]): unknown => {
    const reader = new RecordReader(bounds, new Rooms({ ofEach: 1e6, ofAll: 1e6 }).of('edge-1'));
    reader.begin(bytes.length);
    for (const piece of cut(bytes, sizes)) {
      const goesOn = reader.push(piece, (records) => fieldsOf(records) > 0);
      if (goesOn !== true) return goesOn;
    }
    return reader.left;
  };
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), lengths, (bytes, sizes) => {
      assert.deepEqual(read(bytes, [1]), read(bytes, [1_000]));
      assert.deepEqual(read(bytes, sizes), read(bytes, [1_000]));
    }),
  );
  for (const hex of ['1a05', '1a020a01', '0b', '1a010b', 'ffffffffffff', '0a', '1a03', '08', '0901'])
    assert.deepEqual(read(Buffer.from(hex, 'hex'), [1]), { kind: 'malformed' }, hex);
});

test('a record that is too large is refused by its head, and those before it have been taken', () => {
  const reader = new RecordReader(bounds, new Rooms({ ofEach: 1e6, ofAll: 1e6 }).of('edge-1'));
  const records = written([
    [1, 2, new Uint8Array(7)],
    [1, 2, new Uint8Array(maxRecordBytes)],
  ]);
  const bytes = written([[listField, 2, records]]);
  reader.begin(bytes.length);
  let taken = 0;
  const take = (piece: Uint8Array) => {
    taken += piece.length;
    return true;
  };
  assert.deepEqual(reader.push(bytes.subarray(0, 15), take), {
    kind: 'too-large',
    bytes: maxRecordBytes + 3,
  });
  assert.equal(taken, 9);
});

test('of a call, long messages of records are taken in pieces and others whole', () => {
  const record = written([[1, 2, new Uint8Array(250)]]);
  const listOf = (count: number) => Buffer.concat(Array(count).fill(record));
  const framed = (bytes: Uint8Array) => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  };
  const long = written([[listField, 2, listOf(40_000)]]);
  const short = written([[listField, 2, listOf(20)]]);
  assert.ok(long.length > 100 * wholeBytes && short.length <= wholeBytes);
  for (const size of [1_000, 16_384, 1 << 30]) {
    const rooms = new Rooms({ ofEach: 1 << 20, ofAll: 1 << 20 });
    const reader = new MessageReader(16 << 20, { room: rooms.of('edge-1'), records: bounds });
    const whole: number[] = [];
    let inPieces = 0;
    for (const piece of cut(Buffer.concat([short, long, short].map(framed)), [3, size]))
      reader.push(piece, (bytes, isPiece) => {
        if (isPiece) inPieces += bytes.length;
        else whole.push(bytes.length);
        return true;
      });
    assert.deepEqual([whole, inPieces], [[short.length, short.length], 40_000 * record.length]);
    assert.deepEqual([reader.waiting, rooms.taken], [0, 0]);
  }
});
