import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';

const services = (maxConnections: number) => ({ services: { checkout: { maxConnections } } });

test('a limit that grows is given to waiters at once, and no more than it grew', () => {
  const driven = DrivenLedger.recovered(services(1));
  driven.open('a', 11);
  for (const waiter of ['b', 'c', 'd']) driven.check(waiter);
  assert.deepEqual(driven.plan(services(3)), ['grant b', 'grant c']);
});

test('a limit that shrinks closes nothing, and admits nobody until use has fallen below it', () => {
  const driven = DrivenLedger.recovered(services(3));
  for (const [i, name] of ['a', 'b', 'c'].entries()) driven.open(name, 11 + i);
  assert.deepEqual(driven.plan(services(2)), []);
  driven.check('d');
  assert.deepEqual(driven.end('a', 'server-closed'), []);
  assert.deepEqual(driven.end('b', 'server-closed'), ['grant d']);
});

test('a budget that shrinks, and grows again, does the same', () => {
  const budget = (value: number) => ({ targets: { [primary]: { budget: value } }, ...services(9) });
  const driven = DrivenLedger.recovered(budget(3));
  for (const [i, name] of ['a', 'b', 'c'].entries()) driven.open(name, 11 + i);
  driven.plan(budget(1));
  driven.check('d');
  assert.equal(driven.target().free, -2);
  assert.deepEqual(driven.end('a', 'server-closed'), []);
  assert.deepEqual(driven.plan(budget(3)), ['grant d']);
});

test('a tenant limit that shrinks or grows does the same', () => {
  const limit = (shop: number) => ({ tenants: { shop }, ...services(9) });
  const driven = DrivenLedger.recovered(limit(2));
  driven.open('a', 11);
  driven.open('b', 12);
  driven.plan(limit(1));
  driven.check('c');
  assert.deepEqual(driven.end('a', 'server-closed'), []);
  assert.deepEqual(driven.plan(limit(2)), ['grant c']);
});

test('waiters of a removed service are refused, its sessions stay counted against target and tenant', () => {
  const driven = DrivenLedger.recovered({
    targets: { [primary]: { budget: 1 } },
    tenants: { shop: 1 },
    services: { checkout: {}, billing: {} },
  });
  driven.open('a', 11);
  driven.check('b');
  const without = {
    targets: { [primary]: { budget: 1 } },
    tenants: { shop: 1 },
    services: { billing: {} },
  };
  assert.deepEqual(driven.plan(without), ['refuse b service_removed']);
  assert.equal(driven.target().used, 1);
  assert.equal(driven.ledger.view().tenants.get('shop')?.used, 1);
  assert.deepEqual(driven.check('c', 'billing'), []);
  assert.deepEqual(driven.end('a', 'server-closed'), ['grant c']);
  assert.deepEqual(driven.check('d'), ['refuse d service_removed']);
});

test('a service that comes back finds its open sessions counted', () => {
  const driven = DrivenLedger.recovered({ services: { checkout: { maxConnections: 1 }, billing: {} } });
  driven.open('a', 11);
  driven.plan({ services: { billing: {} } });
  driven.report('a', { serverId: 11 });
  driven.plan({ services: { checkout: { maxConnections: 1 }, billing: {} } });
  assert.equal(driven.service().sessions, 1);
  assert.deepEqual(driven.check('b'), []);
});

test('a service that moves to another database leaves its sessions counted at the old one', () => {
  const targets = { [primary]: {}, 'users/primary': {} };
  const at = (target: string) => ({ targets, services: { checkout: { target, maxConnections: 2 } } });
  const driven = DrivenLedger.recovered(at(primary));
  driven.open('a', 11);
  driven.plan(at('users/primary'));
  assert.deepEqual(driven.check('b'), ['grant b']);
  assert.equal(driven.target(primary).used, 1);
  assert.equal(driven.target('users/primary').used, 1);
  // Its own limit holds over both.
  assert.deepEqual(driven.check('c'), []);
  assert.deepEqual(driven.end('a', 'server-closed'), ['grant c']);
});

test('waiters of a service that moves wait on for the new database', () => {
  const targets = { [primary]: { budget: 1 }, 'users/primary': {} };
  const at = (target: string) => ({ targets, services: { checkout: { target }, batch: {} } });
  const driven = DrivenLedger.recovered(at(primary));
  driven.open('x', 11, 'batch');
  driven.check('a');
  assert.deepEqual(driven.plan(at('users/primary')), ['grant a']);
});

test('a grant that was not used before its service moved is judged anew when its client asks again', () => {
  const targets = { [primary]: {}, 'users/primary': { budget: 1 } };
  const at = (target: string) => ({
    targets,
    services: { checkout: { target }, other: { target: 'users/primary' } },
  });
  const driven = DrivenLedger.recovered(at(primary));
  driven.open('x', 11, 'other');
  driven.check('a');
  driven.plan(at('users/primary'));
  assert.deepEqual(driven.check('a'), []);
  assert.equal(driven.target(primary).used, 0);
});

test('a grant that was used at another database than it was counted at is counted there', () => {
  const targets = {
    [primary]: { endpoints: [{ host: '10.0.0.5', port: 5432 }] },
    'users/primary': { endpoints: [{ host: '10.0.0.9', port: 5432 }] },
  };
  const driven = DrivenLedger.recovered({ targets, services: { checkout: {} } });
  driven.check('a');
  driven.report('a', { remoteAddress: '10.0.0.9:5432', serverId: 11 });
  assert.equal(driven.target(primary).used, 0);
  assert.equal(driven.target('users/primary').used, 1);
});

test('a service that moves to another tenant leaves its sessions with the old one', () => {
  const of = (tenant: string) => ({
    tenants: { shop: 1, bank: 1 },
    services: { checkout: { tenant }, other: {} },
  });
  const driven = DrivenLedger.recovered(of('shop'));
  driven.open('a', 11);
  driven.plan(of('bank'));
  assert.deepEqual(driven.check('b'), ['grant b']);
  assert.deepEqual(driven.check('c', 'other'), []);
  assert.deepEqual(driven.end('a', 'server-closed'), ['grant c']);
});

test('a database that leaves the plan is kept for its sessions, and no longer', () => {
  const driven = DrivenLedger.recovered({
    targets: { [primary]: {}, 'users/primary': {} },
    services: { checkout: {}, accounts: { target: 'users/primary' } },
  });
  driven.open('a', 11, 'accounts');
  driven.open('b', 12, 'accounts');
  driven.end('b', 'proxy-closed', {}, 'accounts');
  driven.plan({ services: { checkout: {} } });
  // Nobody asks its servers any more, so what was closing is let go.
  assert.deepEqual(driven.target('users/primary'), {
    ...driven.target('users/primary'),
    planned: false,
    used: 1,
  });
  driven.end('a', 'proxy-closed', {}, 'accounts');
  assert.equal(driven.ledger.view().targets.has('users/primary'), false);
});

test('a timeout that is cut holds for those who wait already', () => {
  const timeout = (timeoutMs: number) => ({ services: { checkout: { maxConnections: 1, timeoutMs } } });
  const driven = DrivenLedger.recovered(timeout(5_000));
  driven.open('a', 11);
  driven.check('b');
  driven.pass(1_000);
  assert.deepEqual(driven.plan(timeout(3_000)), []);
  assert.deepEqual(driven.pass(1_999), []);
  assert.deepEqual(driven.pass(1), ['refuse b wait_timeout']);
});

test('a plan that changes nothing has no effects', () => {
  const driven = DrivenLedger.recovered(services(1));
  driven.open('a', 11);
  driven.check('b');
  assert.deepEqual(driven.plan(services(1)), []);
  assert.equal(driven.service().waiters, 1);
});
