import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';

test('the view counts by target, service and tenant, and shows who waits for how long and what for', () => {
  const driven = DrivenLedger.recovered({
    tenants: { shop: 5 },
    services: { checkout: { maxConnections: 2, guaranteed: 1 }, batch: {} },
  });
  driven.open('a', 11);
  driven.open('b', 12);
  driven.end('b', 'proxy-closed');
  driven.check('c');
  driven.nowMs += 300;
  driven.check('d', 'batch');
  const view = driven.ledger.view();
  assert.deepEqual(view.targets.get(primary), {
    name: primary,
    planned: true,
    budget: 10,
    reserve: 2,
    used: 3,
    granted: 1,
    sessions: 1,
    closing: 1,
    waiters: 1,
    free: 7,
    unjoined: 0,
    unjoinedCounted: 0,
    recovering: false,
    observedAgeMs: 300,
    problem: undefined,
  });
  assert.deepEqual(view.services.get('checkout'), {
    name: 'checkout',
    planned: true,
    target: primary,
    tenant: 'shop',
    limit: 2,
    guaranteed: 1,
    usedHere: 2,
    used: 2,
    granted: 0,
    sessions: 1,
    closing: 1,
    waiters: 1,
    doors: 0,
    longestWaitMs: 300,
    heldBy: 'service',
  });
  assert.deepEqual(view.tenants.get('shop'), { name: 'shop', limit: 5, used: 3, waiters: 1 });
});

test('sessions and waiters are listed as many as asked for, and counted in full', () => {
  const driven = DrivenLedger.recovered({ services: { checkout: { maxConnections: 2, priority: 4 } } });
  driven.open('a', 11);
  driven.observed([{ serverId: 11 }]);
  driven.check('b');
  driven.nowMs += 50;
  driven.check('c');
  driven.check('d');
  const view = driven.ledger.view({ sessions: 1, waiters: 1 });
  assert.deepEqual([view.sessionCount, view.waiterCount], [2, 2]);
  assert.deepEqual(view.sessions, [
    {
      connection: 'a',
      service: 'checkout',
      tenant: 'shop',
      target: primary,
      node: 'n1',
      state: 'session',
      cause: undefined,
      ageMs: 51,
      serverId: 11,
      listed: true,
    },
  ]);
  assert.deepEqual(view.waiters, [
    {
      connection: 'c',
      service: 'checkout',
      target: primary,
      node: 'n1',
      priority: 4,
      waitedMs: 0,
      timeoutMs: 5_000,
    },
  ]);
  assert.deepEqual(driven.ledger.view().sessions, []);
});

test('before the first session list a target has no age, and says that it recovers', () => {
  const driven = new DrivenLedger({ services: { checkout: {} } });
  const { observedAgeMs, recovering } = driven.target();
  assert.deepEqual({ observedAgeMs, recovering }, { observedAgeMs: undefined, recovering: true });
});
