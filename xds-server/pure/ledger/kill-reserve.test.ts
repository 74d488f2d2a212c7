import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import type { ServicePlan } from '../plan/plan.js';

/** `checkout` may have three connections, one of them to KILL, and does not queue; the ordinary ones are taken. */
function full(given: Partial<ServicePlan> = {}, budget = 10): DrivenLedger {
  const driven = DrivenLedger.recovered({
    targets: { [primary]: { budget } },
    services: {
      checkout: { maxConnections: 3, killReserve: 1, maxQueue: 0, ...given },
      batch: { maxQueue: 0 },
    },
  });
  driven.open('a', 11);
  driven.open('b', 12);
  return driven;
}

test('a client that is refused for fullness is let in for KILL alone, and nobody beyond the reserve', () => {
  const driven = full();
  assert.deepEqual(driven.check('c'), ['grant c only-kill service_limit']);
  assert.deepEqual(driven.check('d'), ['refuse d service_limit']);
  assert.match(driven.refusalText, /^service "checkout" has all 3 of its connections in use$/);
  driven.end('c', 'never-opened');
  assert.deepEqual(driven.check('e'), ['grant e only-kill service_limit']);
});

test('what it would have been told says that the rest is kept for KILL', () => {
  const driven = full();
  driven.check('c');
  const [effect] = driven.effects;
  assert.ok(effect?.kind === 'grant' && effect.onlyKill);
  assert.equal(
    effect.onlyKill.message,
    'service "checkout" has 2 of its 3 connections in use and keeps the rest for KILL',
  );
});

test('a slot that a KILL has freed goes to who waits, while the killing session is still there', () => {
  const driven = full({ maxQueue: 1 });
  driven.check('waits');
  assert.deepEqual(driven.check('killer'), ['grant killer only-kill queue_full']);
  driven.report('killer', { serverId: 13 });
  assert.deepEqual(driven.end('a', 'server-closed'), ['grant waits']);
  assert.equal(driven.service().used, 3);
});

test('whose time in the queue is up may kill', () => {
  const driven = full({ maxQueue: 1, timeoutMs: 500 });
  assert.deepEqual(driven.check('late'), []);
  assert.deepEqual(driven.pass(600), ['grant late only-kill wait_timeout']);
});

test('other services leave the reserve alone when the database is full', () => {
  const driven = full({}, 4);
  driven.open('x', 21, 'batch');
  assert.deepEqual(driven.check('y', 'batch'), ['refuse y database_budget']);
  assert.match(driven.refusalText, /has 3 of its 4 connections in use and keeps the rest/);
  assert.deepEqual(driven.check('c'), ['grant c only-kill service_limit']);
  assert.equal(driven.target().free, 0);
});

test('a full database, or a full tenant, is a reason to be let in for KILL', () => {
  const driven = DrivenLedger.recovered({
    targets: { [primary]: { budget: 3 } },
    services: { checkout: { killReserve: 1, maxQueue: 0 }, batch: { maxQueue: 0 } },
  });
  driven.open('x', 21, 'batch');
  driven.open('y', 22, 'batch');
  assert.deepEqual(driven.check('c'), ['grant c only-kill database_budget']);
  assert.deepEqual(driven.check('d'), ['refuse d database_budget']);

  const tenant = DrivenLedger.recovered({
    tenants: { shop: 2 },
    services: { checkout: { killReserve: 1, maxQueue: 0 }, batch: { maxQueue: 0 } },
  });
  tenant.open('x', 21, 'batch');
  assert.deepEqual(tenant.check('y', 'batch'), ['refuse y tenant_limit']);
  assert.match(
    tenant.refusalText,
    /^tenant "shop" has 1 of its 2 connections in use and keeps the rest for KILL$/,
  );
  assert.deepEqual(tenant.check('c'), ['grant c only-kill tenant_limit']);
});

test('nobody is let in for KILL while the sessions of the database are counted', () => {
  const driven = new DrivenLedger({
    services: { checkout: { maxConnections: 3, killReserve: 1, maxQueue: 0, timeoutMs: 100 } },
  });
  assert.deepEqual(driven.check('a'), []);
  assert.deepEqual(driven.pass(200), ['refuse a not_ready']);
});

test('who asks again, since the answer was lost, is judged anew', () => {
  const driven = full();
  driven.check('c');
  assert.deepEqual(driven.check('c'), ['grant c only-kill service_limit']);
  driven.end('a', 'server-closed');
  assert.deepEqual(driven.check('c'), ['grant c']);
  assert.equal(driven.service().used, 2);
});

test('a reserve that comes, grows or goes closes nothing and is counted at once', () => {
  const driven = full({ killReserve: 0 });
  driven.open('c', 13);
  assert.deepEqual(driven.check('d'), ['refuse d service_limit']);
  const withReserve = (killReserve: number, maxConnections = 3) =>
    driven.plan({ services: { checkout: { maxConnections, killReserve, maxQueue: 0 }, batch: {} } });
  withReserve(1);
  assert.deepEqual(driven.check('e'), ['refuse e service_limit'], 'ordinary sessions have it still');
  driven.end('c', 'server-closed');
  assert.deepEqual(driven.check('f'), ['grant f only-kill service_limit']);
  withReserve(0);
  assert.deepEqual(driven.check('g'), ['refuse g service_limit'], 'three is the limit, whatever they may do');
  driven.end('f', 'never-opened');
  assert.deepEqual(driven.check('h'), ['grant h']);
});

test('the reserve is no way around a door: who may log in no more may not to KILL, either', () => {
  const mallory = '10.6.6.6';
  const roomy = DrivenLedger.recovered({ services: { checkout: { killReserve: 1, maxQueue: 0 } } });
  for (const id of ['m1', 'm2', 'm3']) roomy.check(id, 'checkout', 0, mallory);
  assert.deepEqual(roomy.check('m4', 'checkout', 0, mallory), ['refuse m4 login_limit']);

  const driven = DrivenLedger.recovered({
    services: { checkout: { maxConnections: 3, killReserve: 1, maxQueue: 0 } },
  });
  for (const id of ['m1', 'm2']) driven.check(id, 'checkout', 0, mallory);
  assert.deepEqual(driven.check('m3', 'checkout', 0, mallory), ['refuse m3 service_limit']);
  assert.deepEqual(driven.check('a', 'checkout', 0, '10.1.1.1'), ['grant a only-kill service_limit']);
});
