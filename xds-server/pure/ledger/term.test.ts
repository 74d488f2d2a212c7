import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import { defaultSettings, recoveryMs, unheardMs } from './settings.js';

const { grantTtlMs, leastTtlMs } = defaultSettings;
const plan = { services: { checkout: { maxConnections: 2, maxQueue: 1, timeoutMs: 10_000 } } };

/** One that leads for this long. */
function leading(forMs: number): DrivenLedger {
  const driven = DrivenLedger.recovered(plan);
  driven.tell({ kind: 'term', untilMs: driven.nowMs + forMs });
  return driven;
}

const ttlMs = ({ effects }: DrivenLedger): number[] =>
  effects.flatMap((effect) => (effect.kind === 'grant' ? [effect.ttlMs] : []));

test('no grant outlives the term', () => {
  const driven = leading(700);
  assert.deepEqual(driven.check('a'), ['grant a']);
  assert.deepEqual(ttlMs(driven), [700]);
  driven.nowMs += 100;
  assert.deepEqual(driven.check('a'), ['grant a']);
  assert.deepEqual(ttlMs(driven), [600]);
  driven.tell({ kind: 'term', untilMs: driven.nowMs + 10_000 });
  driven.check('b');
  assert.deepEqual(ttlMs(driven), [grantTtlMs]);
});

test('when too little is left of the term for a grant to arrive, clients wait, and get in when it is lengthened', () => {
  const driven = leading(leastTtlMs + 50);
  driven.nowMs += 51;
  assert.deepEqual(driven.check('a'), []);
  assert.equal(driven.service().heldBy, 'leaderless');
  driven.nowMs += 5_000;
  assert.deepEqual(driven.check('b'), []);
  assert.deepEqual(driven.tell({ kind: 'term', untilMs: driven.nowMs + grantTtlMs }), ['grant a', 'grant b']);
});

test('past the end a check that is asked again is not granted again', () => {
  const driven = leading(grantTtlMs);
  driven.check('a');
  driven.nowMs += grantTtlMs;
  assert.deepEqual(driven.check('a'), []);
  assert.deepEqual(driven.target(), { ...driven.target(), used: 0, waiters: 1 });
});

test('past the end what becomes free is given to nobody, and reports are taken in', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 1);
  driven.open('b', 2);
  driven.check('c');
  driven.tell({ kind: 'term', untilMs: driven.nowMs });
  assert.deepEqual(driven.end('a', 'server-closed'), []);
  assert.deepEqual(driven.observed([{ serverId: 2 }]), []);
  assert.deepEqual(driven.target(), { ...driven.target(), used: 1, waiters: 1 });
});

test('who waited in vain for a leader is told that there is none, and the queue is as long as after a restart', () => {
  const driven = leading(0);
  driven.check('a');
  driven.check('b');
  driven.check('c');
  assert.equal(driven.service().waiters, 3);
  driven.pass(10_000);
  driven.check('d');
  assert.deepEqual(driven.pass(10_000), ['refuse d not_ready']);
  assert.equal(
    driven.refusalText,
    'the brain is not ready: there is no leader; waited 10000 ms (timeout_ms 10000), 0 others waiting',
  );
});

test('after a term that is over a ledger recovers sooner: its grants were over too', () => {
  const settings = { ...defaultSettings, follows: 'term' } as const;
  assert.ok(recoveryMs(settings) < recoveryMs(defaultSettings));
  const driven = new DrivenLedger(plan, { follows: 'term' });
  driven.check('a');
  assert.deepEqual(driven.pass(recoveryMs(settings)), [`observe ${primary} and its logins`]);
  assert.deepEqual(driven.observed([]), ['grant a']);
});

test('after a term, until every node can have been heard, a session that nobody reports is taken for one of ours', () => {
  const follows = { ...defaultSettings, follows: 'term' } as const;
  const targets = { [primary]: { budget: 3, reserve: 2 } };
  const driven = new DrivenLedger({ targets, services: { checkout: {} } }, follows);
  const sessions = [1, 2].map((serverId) => ({ serverId, peer: `10.9.9.9:${serverId}` }));
  driven.pass(recoveryMs(follows));
  driven.observed(sessions, { own: [9] });
  for (const name of ['a', 'b']) driven.check(name);
  assert.deepEqual(driven.target(), {
    ...driven.target(),
    recovering: false,
    unjoinedCounted: 2,
    used: 1,
    waiters: 1,
  });
  driven.report('old', { serverId: 2 });
  assert.equal(driven.target().unjoinedCounted, 1);
  assert.deepEqual(driven.report('a', { serverId: 3 }), []);
  assert.equal(driven.service().waiters, 1);
  driven.nowMs += unheardMs(follows) - recoveryMs(follows);
  assert.deepEqual(driven.tell({ kind: 'tick' }), ['grant b']);
  assert.equal(driven.target().unjoinedCounted, 0);
});
