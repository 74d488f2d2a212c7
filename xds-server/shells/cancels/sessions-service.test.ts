import assert from 'node:assert/strict';
import { test } from 'node:test';
import protobuf from 'protobufjs';
import { loggedInMethod, surplusMethod } from './sessions-service.js';

const connection = '0123456789abcdef0123456789abcdef';
const offers = surplusMethod(async () => []);
const logins = loggedInMethod(() => undefined);
/** One with nothing in it: a tag and a length. */
const empty = [(1 << 3) | 2, 0];
const many = (count: number): Uint8Array => Uint8Array.from(Array(count).fill(empty).flat());

function login(serverId: number, frontId: number, cancelDigest: string): Uint8Array {
  const writer = protobuf.Writer.create().uint32(empty[0]!).fork();
  writer.uint32((1 << 3) | 2).string(connection);
  writer.uint32(2 << 3).uint32(serverId);
  if (frontId !== 0) writer.uint32(3 << 3).uint32(frontId);
  return writer
    .uint32((4 << 3) | 2)
    .string(cancelDigest)
    .ldelim()
    .finish();
}

test('a node offers a thousand sessions at once and no more, however small', () => {
  assert.equal(offers.decode(many(1_000)).length, 1_000);
  assert.throws(() => offers.decode(many(1_001)), /expected at most 1000 sessions/);
});

test('a node tells of a thousand logins at once and no more, however small', () => {
  assert.equal(logins.decode(many(1_000)).length, 1_000);
  assert.throws(() => logins.decode(many(1_001)), /expected at most 1000 logins/);
});

test('a login is told by what its session is known by, and by nothing that is too long for it', () => {
  const of = { connection, frontId: undefined, cancelDigest: undefined };
  assert.deepEqual(logins.decode(login(77, 0, 'ab')), [{ ...of, serverId: 77, cancelDigest: 'ab' }]);
  assert.deepEqual(logins.decode(login(77, 3, '')), [{ ...of, serverId: 77, frontId: 3 }]);
  assert.deepEqual(logins.decode(login(77, 0, 'a'.repeat(65))), [{ ...of, serverId: 77 }]);
});
