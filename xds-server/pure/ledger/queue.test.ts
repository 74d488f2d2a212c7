import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';

/** Takes every slot of the budget of 10, three of them for `checkout`, and empties the queues. */
function full(services: Parameters<typeof DrivenLedger.recovered>[0]['services']): DrivenLedger {
  const driven = DrivenLedger.recovered({
    services: { ...services, filler: { maxConnections: 10, tenant: 'filler' } },
  });
  for (let i = 0; i < 10; i++) driven.open(`f${i}`, 100 + i, 'filler');
  return driven;
}

const free = (driven: DrivenLedger, filler: number): string[] =>
  driven.end(`f${filler}`, 'server-closed', {}, 'filler');

test('waiters of one service are served in the order of their births, not of their checks', () => {
  const driven = full({ checkout: {} });
  driven.check('young', 'checkout', 10);
  driven.check('old', 'checkout', 500);
  assert.deepEqual(free(driven, 0), ['grant old']);
  assert.deepEqual(free(driven, 1), ['grant young']);
});

test('the service with the higher priority is served first, and birth decides between equals', () => {
  const driven = full({ batch: { priority: 0 }, checkout: { priority: 5 }, billing: { priority: 5 } });
  driven.check('batch', 'batch', 900);
  driven.check('billing', 'billing', 10);
  driven.check('checkout', 'checkout', 20);
  assert.deepEqual(free(driven, 0), ['grant checkout']);
  assert.deepEqual(free(driven, 1), ['grant billing']);
  assert.deepEqual(free(driven, 2), ['grant batch']);
});

test('a service at its own limit holds up nobody else, whatever its priority', () => {
  const driven = DrivenLedger.recovered({
    targets: { [primary]: { budget: 3 } },
    services: { checkout: { maxConnections: 1, priority: 9 }, batch: {} },
  });
  driven.open('a', 11);
  driven.open('b', 12, 'batch');
  driven.open('c', 13, 'batch');
  driven.check('checkout waits');
  driven.check('batch waits', 'batch');
  assert.deepEqual(driven.end('b', 'server-closed', {}, 'batch'), ['grant batch waits']);
  assert.deepEqual(driven.end('a', 'server-closed'), ['grant checkout waits']);
});

test('a tenant at its limit holds up only its own services', () => {
  const driven = DrivenLedger.recovered({
    tenants: { shop: 1, bank: undefined },
    services: { checkout: { priority: 9 }, ledger: { tenant: 'bank' } },
  });
  driven.open('a', 11);
  assert.deepEqual(driven.check('b'), []);
  assert.equal(driven.service().heldBy, 'tenant');
  assert.deepEqual(driven.check('c', 'ledger'), ['grant c']);
  assert.deepEqual(driven.end('a', 'server-closed'), ['grant b']);
});

test('a tenant’s slot that becomes free at one database is given to its waiter at another', () => {
  const driven = DrivenLedger.recovered({
    targets: { [primary]: {}, 'users/primary': {} },
    tenants: { shop: 1 },
    services: { checkout: {}, accounts: { target: 'users/primary' } },
  });
  driven.open('a', 11);
  assert.deepEqual(driven.check('b', 'accounts'), []);
  assert.deepEqual(driven.end('a', 'server-closed'), ['grant b']);
});

test('the budget of a database is shared by its services and never exceeded', () => {
  const driven = full({ checkout: {} });
  assert.deepEqual(driven.check('a'), []);
  assert.equal(driven.service().heldBy, 'database');
  assert.equal(driven.target().free, 0);
});

test('a guaranteed share is there when it asks: others are not given it', () => {
  const driven = DrivenLedger.recovered({
    targets: { [primary]: { budget: 4 } },
    services: { batch: {}, checkout: { guaranteed: 2 } },
  });
  assert.deepEqual(driven.check('b1', 'batch'), ['grant b1']);
  assert.deepEqual(driven.check('b2', 'batch'), ['grant b2']);
  assert.deepEqual(driven.check('b3', 'batch'), []);
  assert.equal(driven.service('batch').heldBy, 'guarantees');
  assert.deepEqual(driven.check('c1'), ['grant c1']);
  assert.deepEqual(driven.check('c2'), ['grant c2']);
  assert.deepEqual(driven.check('c3'), []);
});

test('a service beyond its share competes for the rest like everybody', () => {
  const driven = DrivenLedger.recovered({
    targets: { [primary]: { budget: 4 } },
    services: { batch: { guaranteed: 1 }, checkout: { guaranteed: 1 } },
  });
  assert.deepEqual(driven.check('c1'), ['grant c1']);
  assert.deepEqual(driven.check('c2'), ['grant c2']);
  assert.deepEqual(driven.check('c3'), ['grant c3']);
  assert.deepEqual(driven.check('c4'), []);
  assert.deepEqual(driven.check('b1', 'batch'), ['grant b1']);
});

test('within its guaranteed share a service goes before one of higher priority that is beyond', () => {
  const driven = DrivenLedger.recovered({
    targets: { [primary]: { budget: 2 } },
    services: { vip: { priority: 9 }, checkout: { guaranteed: 1 } },
  });
  driven.open('c1', 11);
  driven.open('v1', 12, 'vip');
  driven.check('v2', 'vip');
  driven.check('c2');
  assert.deepEqual(driven.end('c1', 'server-closed'), ['grant c2']);
});

test('a queue that is full refuses at once, and says which limit is behind it', () => {
  const driven = DrivenLedger.recovered({ services: { checkout: { maxConnections: 1, maxQueue: 2 } } });
  driven.open('a', 11);
  driven.check('b');
  driven.check('c');
  assert.deepEqual(driven.check('d'), ['refuse d queue_full']);
  assert.equal(
    driven.refusalText,
    'service "checkout" has all 1 of its connections in use; all 2 places in the queue of service "checkout" are taken',
  );
  driven.cancel('b');
  assert.deepEqual(driven.check('e'), []);
});

test('a service without a queue is refused at once for the limit that it meets', () => {
  const noQueue = { maxQueue: 0 };
  const driven = full({ checkout: noQueue, poor: { ...noQueue, tenant: 'poor' } });
  assert.deepEqual(driven.check('a'), ['refuse a database_budget']);
  const tenant = DrivenLedger.recovered({ tenants: { shop: 1 }, services: { checkout: noQueue } });
  tenant.open('a', 11);
  assert.deepEqual(tenant.check('b'), ['refuse b tenant_limit']);
  assert.equal(tenant.refusalText, 'tenant "shop" has all 1 of its connections in use');
});

test('a waiter is refused exactly at its deadline, counted from its birth', () => {
  const driven = DrivenLedger.recovered({ services: { checkout: { maxConnections: 1, timeoutMs: 2_000 } } });
  driven.open('a', 11);
  driven.check('b', 'checkout', 500);
  driven.check('c');
  assert.equal(driven.ledger.nextDeadlineMs(), driven.nowMs + 1_500);
  assert.deepEqual(driven.pass(1_499), []);
  assert.deepEqual(driven.pass(1), ['refuse b wait_timeout']);
  assert.equal(
    driven.refusalText,
    'service "checkout" has all 1 of its connections in use; waited 2000 ms (timeout_ms 2000), 1 others waiting',
  );
});

test('a client that comes after its time is refused at once, unless there is a slot', () => {
  const driven = DrivenLedger.recovered({ services: { checkout: { maxConnections: 1, timeoutMs: 2_000 } } });
  assert.deepEqual(driven.check('a', 'checkout', 9_000), ['grant a']);
  assert.deepEqual(driven.check('b', 'checkout', 2_000), ['refuse b wait_timeout']);
});

test('each limit is named in the refusal of those who waited for it', () => {
  const driven = full({ checkout: { timeoutMs: 1_000 } });
  driven.check('a');
  driven.pass(1_000);
  assert.match(driven.refusalText, /^database "orders" has all 10 of its connections in use; waited 1000 ms/);

  const kept = DrivenLedger.recovered({
    targets: { [primary]: { budget: 2 } },
    services: { batch: { timeoutMs: 1_000 }, checkout: { guaranteed: 1 } },
  });
  kept.check('b1', 'batch');
  kept.check('b2', 'batch');
  kept.pass(1_000);
  assert.match(
    kept.refusalText,
    /^database "orders" has 1 of its 2 connections in use and keeps the rest for/,
  );
});

test('a service that got nothing for too long while others were served goes first, for one slot', () => {
  const driven = full({ vip: { priority: 9, timeoutMs: 60_000 }, checkout: { timeoutMs: 60_000 } });
  driven.check('c1');
  driven.check('c2');
  for (let i = 0; i < 5; i++) driven.check(`v${i}`, 'vip');
  driven.nowMs += 1;
  assert.deepEqual(free(driven, 0), ['grant v0']);
  driven.nowMs += driven.settings.starvationMs - 2;
  driven.report('v0', {}, 'vip');
  assert.deepEqual(free(driven, 1), ['grant v1']);
  driven.nowMs += 1;
  assert.deepEqual(free(driven, 2), ['grant c1']);
  assert.deepEqual(free(driven, 3), ['grant v2']);
});

test('while nobody is served nobody starves: priority decides who is first', () => {
  const driven = full({ vip: { priority: 9, timeoutMs: 60_000 }, checkout: { timeoutMs: 60_000 } });
  for (let i = 0; i < 10; i++) driven.report(`f${i}`, {}, 'filler');
  driven.check('c1');
  driven.nowMs += 100;
  driven.check('v1', 'vip');
  driven.nowMs += driven.settings.silentAfterMs - 200;
  assert.deepEqual(free(driven, 0), ['grant v1']);
  assert.deepEqual(free(driven, 1), ['grant c1']);
});

test('starving services do not shut out the one of higher priority: every other slot goes by priority', () => {
  const driven = full({
    vip: { priority: 9, timeoutMs: 60_000 },
    low: { timeoutMs: 60_000 },
    lower: { timeoutMs: 60_000 },
  });
  for (const service of ['low', 'lower', 'vip'])
    for (let i = 0; i < 4; i++) driven.check(`${service}${i}`, service);
  driven.nowMs += 1;
  assert.deepEqual(free(driven, 0), ['grant vip0']);
  driven.nowMs += driven.settings.starvationMs;
  const order = [1, 2, 3, 4].map((filler) => free(driven, filler)[0]);
  assert.deepEqual(order, ['grant low0', 'grant vip1', 'grant lower0', 'grant vip2']);
});
