import assert from 'node:assert/strict';
import { test } from 'node:test';
import { surplusMethod } from './sessions-service.js';

const { decode } = surplusMethod(async () => []);
/** An offer with nothing in it: a tag and a length. */
const empty = [(1 << 3) | 2, 0];

test('a node offers a thousand sessions at once and no more, however small', () => {
  const offers = (count: number) => decode(Uint8Array.from(Array(count).fill(empty).flat()));
  assert.equal(offers(1_000).length, 1_000);
  assert.throws(() => offers(1_001), /expected at most 1000 sessions/);
});
