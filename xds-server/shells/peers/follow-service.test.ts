import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../../pure/peers/messages.js';
import { refusals } from '../../pure/verdict/refusals.js';
import { Follower } from './follow-service.js';
import { decodeOrders } from './wire.js';

/** What a follower takes (leader-link.ts). */
const mostBytes = 4 << 20;

test('twenty thousand clients of one follower may be refused in one turn: no message is larger than he takes', () => {
  const messages: Uint8Array[] = [];
  const call = {
    caller: { node: '', brain: 'b', peer: '' },
    header: () => undefined,
    send: (message: Uint8Array) => void messages.push(message),
    reply: () => undefined,
    end: () => assert.fail('nothing is wrong'),
  };
  const follower = new Follower('b', call, () => 0);
  const full = { limit: 'database', name: 'orders', used: 400, max: 400 } as const;
  const refusal = refusals.wait_timeout(full, { waitedMs: 2_000, timeoutMs: 2_000, others: 19_999 });
  for (let n = 0; n < 20_000; n++) {
    const connection = n.toString(16).padStart(32, '0');
    follower.answer({ kind: 'refuse', connection, service: 'checkout', sentMs: n, refusal, waitedMs: 1 });
  }
  follower.flush();
  assert.ok(Math.max(...messages.map(({ length }) => length)) < mostBytes);
  const told = messages.flatMap((message) => decodeOrders(message) as Answer[]);
  assert.deepEqual(
    told.map(({ sentMs }) => sentMs),
    Array.from({ length: 20_000 }, (_, n) => n),
  );
});

test('a sign of life is a message, also without anything to say', () => {
  let messages = 0;
  const call = {
    caller: { node: '', brain: 'b', peer: '' },
    header: () => undefined,
    send: () => void messages++,
    reply: () => undefined,
    end: () => undefined,
  };
  new Follower('b', call, () => 0).flush();
  assert.equal(messages, 1);
});
