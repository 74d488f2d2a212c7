import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ended } from './ended.js';

const keptMs = 7_000;

test('a connection that has ended is known as such for a while', () => {
  const ended = new Ended(keptMs);
  ended.add('a', 0);
  ended.add('b', keptMs);
  assert.deepEqual([ended.has('a'), ended.has('b'), ended.has('c')], [true, true, false]);
  ended.add('c', keptMs + 1);
  assert.deepEqual([ended.has('a'), ended.has('b'), ended.has('c')], [false, true, true]);
});

test('one that ends again is known from then on', () => {
  const ended = new Ended(keptMs);
  for (const [connection, atMs] of [
    ['a', 0],
    ['b', 1],
    ['a', 5_000],
    ['c', 9_000],
  ] as const)
    ended.add(connection, atMs);
  assert.deepEqual([ended.has('a'), ended.has('b')], [true, false]);
});

test('of too many at once the oldest are forgotten', () => {
  const ended = new Ended(keptMs);
  for (let at = 0; at < 20_001; at++) ended.add(`${at}`, 0);
  assert.deepEqual([ended.has('0'), ended.has('1'), ended.has('20000')], [false, true, true]);
});
