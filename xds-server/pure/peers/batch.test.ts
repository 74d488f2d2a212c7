import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeTelling } from '../../shells/peers/wire.js';
import { batchOf } from './batch.js';
import type { News } from './messages.js';

/** What a leader takes (follow-service.ts). */
const mostBytes = 4 << 20;

test('all nodes may ask for their surplus in one turn of the loop: no message is larger than a leader takes, and none is left out', () => {
  const sessions = Array.from({ length: 1_000 }, (_, n) => ({
    connection: n.toString(16).padStart(32, '0'),
    idleMs: 3_600_000 + n,
  }));
  const news: News[] = [];
  for (let n = 0; n < 500; n++) {
    news.push({ kind: 'idle', request: n, node: `edge-${n}`, sessions });
    news.push({ kind: 'cut-off', node: `edge-${n}` });
  }
  const lengths: number[] = [];
  while (news.length > 0) {
    const some = news.splice(0, batchOf(news));
    assert.ok(some.length > 0);
    lengths.push(encodeTelling({ monotonicMs: 1, unixMs: 1, news: some }).length);
  }
  assert.ok(Math.max(...lengths) < mostBytes / 4, `${Math.max(...lengths)} bytes`);
});

test('of the usual news five hundred go together', () => {
  const news = Array.from({ length: 1_200 }, (): News => ({ kind: 'cancel', connection: 'a'.repeat(32) }));
  assert.equal(batchOf(news), 500);
  assert.equal(batchOf(news.slice(0, 3)), 3);
  assert.equal(batchOf([]), 0);
});
