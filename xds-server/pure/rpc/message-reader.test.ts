import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { bookBytes, leastBytes, type Room } from './gathered.js';
import { MessageReader, messageHeadBytes } from './message-reader.js';

const most = 40;

function framed(message: Uint8Array, flag = 0): Buffer {
  const head = Buffer.from([flag, 0, 0, 0, 0]);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** `bytes` in pieces of these lengths, the last one the rest. */
function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const length of lengths) {
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return [...pieces, bytes.subarray(at)];
}

const messages = fc.array(fc.uint8Array({ maxLength: most }), { maxLength: 8 });
const lengths = fc.array(fc.nat(30), { maxLength: 20 });

test('however a call is cut, its messages come out one by one, and what waits is less than one', () => {
  fc.assert(
    fc.property(messages, lengths, fc.nat(most), (sent, sizes, begun) => {
      const reader = new MessageReader(most);
      const read: string[] = [];
      // A last one that does not come to its end.
      const partial = framed(new Uint8Array(most)).subarray(0, begun);
      for (const piece of cut(Buffer.concat([...sent.map((each) => framed(each)), partial]), sizes)) {
        const unreadable = reader.push(
          piece,
          (message) => read.push(Buffer.from(message).toString('hex')) > 0,
        );
        assert.equal(unreadable, undefined);
        assert.ok(reader.waiting < messageHeadBytes + most);
      }
      assert.deepEqual(
        read,
        sent.map((each) => Buffer.from(each).toString('hex')),
      );
      assert.equal(reader.waiting, partial.length);
    }),
  );
});

test('a message that is too large or compressed is refused by its head, behind those before it', () => {
  fc.assert(
    fc.property(messages, lengths, fc.boolean(), (sent, sizes, isLarge) => {
      const reader = new MessageReader(most);
      const bad = isLarge ? framed(new Uint8Array(most + 1)) : framed(new Uint8Array(1), 1);
      const bytes = Buffer.concat([...sent.map((each) => framed(each)), bad.subarray(0, messageHeadBytes)]);
      let read = 0;
      const found = cut(bytes, sizes)
        .map((piece) => reader.push(piece, () => ++read > 0))
        .find((unreadable) => unreadable !== undefined);
      assert.deepEqual(found, isLarge ? { kind: 'too-large', bytes: most + 1 } : { kind: 'compressed' });
      assert.equal(read, sent.length);
    }),
  );
});

test('behind a message that ends the call nothing is looked at, and nothing is kept', () => {
  const reader = new MessageReader(most);
  const bytes = Buffer.concat([
    framed(Buffer.from('a')),
    framed(Buffer.from('b')),
    framed(Buffer.from('c'), 1),
  ]);
  const read: string[] = [];
  const unreadable = reader.push(bytes, (message) => {
    read.push(Buffer.from(message).toString());
    return false;
  });
  assert.deepEqual([unreadable, read, reader.waiting], [undefined, ['a'], 0]);
});

test('what waits can be given up, and a new message begins', () => {
  const reader = new MessageReader(most);
  reader.push(framed(Buffer.from('lost')).subarray(0, 7), () => assert.fail('it is not whole'));
  reader.forget();
  const read: string[] = [];
  reader.push(framed(Buffer.from('next')), (message) => read.push(Buffer.from(message).toString()) > 0);
  assert.deepEqual(read, ['next']);
});

class Counted implements Room {
  taken = 0;
  constructor(readonly most = Number.POSITIVE_INFINITY) {}
  take(bytes: number): string | undefined {
    if (this.taken + bytes > this.most) return 'full';
    this.taken += bytes;
    return undefined;
  }
  giveBack(bytes: number): void {
    this.taken -= bytes;
  }
}

test('what waits takes room while it waits: as much as has come, twice that and a little at most, and never what is only announced', () => {
  fc.assert(
    fc.property(messages, lengths, fc.nat(most), (sent, sizes, begun) => {
      const room = new Counted();
      const reader = new MessageReader(1 << 20, { room });
      const partial = framed(new Uint8Array(1 << 20)).subarray(0, begun);
      for (const piece of cut(Buffer.concat([...sent.map((each) => framed(each)), partial]), sizes)) {
        reader.push(piece, () => true);
        if (reader.waiting === 0) assert.equal(room.taken, 0);
        else
          assert.ok(
            room.taken >= bookBytes + reader.waiting &&
              room.taken <= bookBytes + leastBytes + 2 * reader.waiting,
          );
      }
      reader.forget();
      assert.equal(room.taken, 0);
    }),
  );
});

test('a message that finds no room is refused, keeps none, and leaves the others theirs', () => {
  const room = new Counted(3 * bookBytes);
  const [first, second] = [1, 2].map(() => new MessageReader(10_000, { room })) as [
    MessageReader,
    MessageReader,
  ];
  const bytes = framed(new Uint8Array(2_000));
  assert.equal(
    first.push(bytes.subarray(0, 900), () => true),
    undefined,
  );
  const taken = room.taken;
  assert.deepEqual(
    second.push(bytes.subarray(0, 900), () => true),
    { kind: 'no-room', why: 'full' },
  );
  assert.deepEqual([second.waiting, room.taken], [0, taken]);
});

test('a part of a message does not keep alive what it was a slice of, and takes what is counted for it', () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const room = new Counted();
  const readers = Array.from({ length: 2_000 }, () => new MessageReader(100, { room }));
  gc();
  const before = process.memoryUsage();
  for (const reader of readers) reader.push(new Uint8Array(64 << 10).subarray(0, 1), () => true);
  // The second one waits for what the first has begun to sweep.
  gc();
  gc();
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  const grown = arrayBuffers - before.arrayBuffers + heapUsed - before.heapUsed;
  assert.ok(grown < 1.5 * room.taken, `${grown} bytes for ${room.taken}`);
  for (const reader of readers) assert.equal(reader.waiting, 1);
});
