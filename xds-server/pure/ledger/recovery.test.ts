import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import { recoveryMs } from './settings.js';

const plan = { services: { checkout: { maxConnections: 2, maxQueue: 1, timeoutMs: 60_000 } } };

test('after a start nothing is granted until the nodes have had time to report and a list was had after that', () => {
  const driven = new DrivenLedger(plan);
  assert.deepEqual(
    driven.effects.map(({ kind }) => kind),
    ['observe'],
  );
  assert.deepEqual(driven.observed([]), []);
  assert.deepEqual(driven.check('a'), []);
  const effects = driven.pass(recoveryMs(driven.settings));
  assert.deepEqual(effects, [`observe ${primary} and its logins`]);
  assert.equal(driven.target().recovering, true);
  assert.deepEqual(driven.observed([]), ['grant a']);
  assert.equal(driven.target().recovering, false);
});

test('a list that was asked for too early does not end the recovery, however late it comes', () => {
  const driven = new DrivenLedger(plan);
  const askedAtMs = driven.nowMs + recoveryMs(driven.settings) - 1;
  driven.check('a');
  driven.pass(2 * recoveryMs(driven.settings));
  assert.deepEqual(driven.observed([], { askedAtMs }), []);
});

test('what nodes report during the recovery is counted when it ends', () => {
  const driven = new DrivenLedger(plan);
  for (const name of ['a', 'b', 'c']) driven.check(name);
  driven.pass(recoveryMs(driven.settings) - 10);
  driven.report('old', { serverId: 5 });
  driven.pass(10);
  assert.deepEqual(driven.observed([{ serverId: 5 }]), ['grant a']);
});

test('a session that ended during the recovery is counted until the list shows that it is over', () => {
  const driven = new DrivenLedger({ services: { checkout: { maxConnections: 1 } } });
  driven.end('old', 'proxy-closed', { serverId: 5, remoteAddress: '10.0.0.5:5432' });
  driven.check('a');
  driven.pass(recoveryMs(driven.settings));
  assert.deepEqual(driven.observed([{ serverId: 5 }]), [`observe ${primary}`]);
  assert.deepEqual(driven.observed([]), ['grant a']);
});

test('during the recovery clients wait, also where a service has no queue or a full one', () => {
  const driven = new DrivenLedger({ services: { checkout: { maxQueue: 0 }, batch: { maxQueue: 1 } } });
  assert.deepEqual(driven.check('a'), []);
  assert.deepEqual(driven.check('b', 'batch'), []);
  assert.deepEqual(driven.check('c', 'batch'), []);
});

test('who waited for the recovery in vain is told so', () => {
  const driven = new DrivenLedger({ services: { checkout: { timeoutMs: 1_000 } } });
  driven.check('a');
  assert.deepEqual(driven.pass(1_000), ['refuse a not_ready']);
  assert.equal(
    driven.refusalText,
    'database "orders" is not ready: its sessions are being counted; waited 1000 ms (timeout_ms 1000), 0 others waiting',
  );
  driven.tell({
    kind: 'unobserved',
    target: primary,
    problem: 'password authentication failed for 10.0.0.5',
  });
  driven.check('b');
  driven.pass(1_000);
  assert.match(driven.refusalText, /its sessions cannot be counted/);
  assert.doesNotMatch(driven.refusalText, /password/);
});

test('waiters during a recovery are bounded too', () => {
  const driven = new DrivenLedger({ services: { checkout: { maxQueue: 0 } } }, { recoveryQueue: 2 });
  driven.check('a');
  driven.check('b');
  assert.deepEqual(driven.check('c'), ['refuse c not_ready']);
});

test('during the recovery every session that nobody reports counts in full, afterwards what the reserve does not hold', () => {
  const driven = new DrivenLedger(plan);
  const sessions = [1, 2, 3].map((serverId) => ({ serverId, peer: `10.9.9.9:${serverId}` }));
  driven.observed(sessions);
  assert.equal(driven.target().unjoinedCounted, 3);
  driven.pass(recoveryMs(driven.settings));
  driven.observed(sessions);
  assert.equal(driven.target().unjoinedCounted, 1);
});

test('a database that is added later grants as soon as a list was had', () => {
  const driven = DrivenLedger.recovered(plan);
  const targets = { [primary]: {}, 'users/primary': {} };
  const later = { targets, services: { ...plan.services, accounts: { target: 'users/primary' } } };
  assert.deepEqual(driven.plan(later), ['observe users/primary and its logins']);
  assert.deepEqual(driven.check('a', 'accounts'), []);
  assert.deepEqual(driven.observed([], { target: 'users/primary' }), ['grant a']);
});

test('a database that moves to other servers grants nothing until these were asked', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.nowMs += 5;
  const at = (host: string) => ({ targets: { [primary]: { endpoints: [{ host, port: 5432 }] } }, ...plan });
  driven.plan(at('10.0.0.7'));
  assert.deepEqual(driven.check('a'), []);
  const askedAtMs = driven.nowMs - 2;
  assert.deepEqual(driven.observed([], { askedAtMs }), []);
  assert.deepEqual(driven.observed([]), ['grant a']);
});

test('a session of a service that the plan does not name is counted where its server is', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.report('old', { serverId: 5, remoteAddress: '10.0.0.5:5432' }, 'long gone');
  assert.equal(driven.target().used, 1);
});

test('a session of an unknown service at an unknown server is counted once its service is known', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.report('old', { serverId: 5, remoteAddress: 'somewhere:5432' }, 'later');
  assert.equal(driven.target().used, 0);
  driven.plan({ services: { ...plan.services, later: { maxConnections: 1 } } });
  assert.equal(driven.service('later').sessions, 1);
  assert.deepEqual(driven.check('a', 'later'), []);
});

test('a check that is overtaken by the report of its own connection is let go', () => {
  const driven = new DrivenLedger(plan);
  driven.check('a');
  assert.deepEqual(driven.report('a', { serverId: 5 }), ['refuse a connection_reused']);
  assert.deepEqual(driven.target(), { ...driven.target(), used: 1, waiters: 0 });
});

test('a session of a removed service hides no other session of an account that a service has', () => {
  const named = { services: { checkout: { maxConnections: 2, allow: [{ user: 'shop' }] } } };
  const driven = new DrivenLedger({ services: {} });
  driven.report('taken-in', { serverId: 1, remoteAddress: '10.0.0.5:5432' });
  driven.plan(named);
  driven.pass(recoveryMs(driven.settings));
  driven.observed([
    { serverId: 1, user: 'shop' },
    { serverId: 2, user: 'shop' },
  ]);
  assert.deepEqual(driven.check('third'), []);
  assert.equal(driven.service().heldBy, 'service');
});

test('a session of a removed service counts against its tenant when the service comes back', () => {
  const limited = { services: { checkout: { tenant: 'shop' } }, tenants: { shop: 1 } };
  const driven = new DrivenLedger({ services: {} });
  driven.report('taken-in', { serverId: 1, remoteAddress: '10.0.0.5:5432' });
  driven.plan(limited);
  driven.pass(recoveryMs(driven.settings));
  driven.observed([{ serverId: 1 }]);
  assert.deepEqual(driven.check('second'), []);
  assert.equal(driven.service().heldBy, 'tenant');
});

test('who logs in, where the list shows that, may be one of Sluice’s that no node has reported: he does not go for a person', () => {
  const named = { services: { checkout: { maxConnections: 2, allow: [{ user: 'shop' }] } } };
  const driven = DrivenLedger.recovered(named);
  const before = driven.target().free;
  driven.observed([{ serverId: 1 }]);
  assert.equal(driven.target().free, before - 1);
  driven.observed([{ serverId: 1, user: 'alice' }]);
  assert.equal(driven.target().free, before);
  driven.observed([{ serverId: 2 }], { listsLogins: false });
  assert.equal(
    driven.target().free,
    before,
    'where only those who are in are listed, it does not say who they are',
  );
});

/** Of a server that lists nobody before he is in: those who are, and those who are not yet. */
function hiding(
  driven: DrivenLedger,
  serverIds: readonly number[],
  sessions: readonly number[] = [],
): string[] {
  const logins = { serverIds, dialledMs: driven.nowMs, letInMs: driven.nowMs };
  const rows = sessions.map((serverId) => ({ serverId, peer: `10.9.9.9:${serverId}` }));
  return driven.observed(rows, { listsLogins: false, logins });
}

const small = { targets: { [primary]: { budget: 2 } }, services: { checkout: { maxConnections: 2 } } };

test('who is logging in when the recovery ends counts until he is out of it, where no list shows him before', () => {
  const driven = new DrivenLedger(small);
  driven.pass(recoveryMs(driven.settings));
  assert.deepEqual(hiding(driven, [71, 72]), [`observe ${primary} and its logins`]);
  driven.expectCounted(0, 2);
  assert.deepEqual(driven.check('a'), []);
  // A list for which nobody was asked says nothing of him.
  assert.deepEqual(driven.observed([], { listsLogins: false }), [`observe ${primary} and its logins`]);
  assert.deepEqual(hiding(driven, [72, 73]), ['grant a', `observe ${primary} and its logins`]);
  driven.expectCounted(1, 1);
  assert.deepEqual(hiding(driven, [73]), []);
  assert.equal(driven.target().free, 1);
});

test('two servers of one target may have such a login of the same id each: both count', () => {
  const driven = new DrivenLedger(small);
  driven.pass(recoveryMs(driven.settings));
  hiding(driven, [71, 71]);
  driven.expectCounted(0, 2);
});

test('a list for which nobody was asked who logs in ends no recovery where the server could have said it', () => {
  const driven = new DrivenLedger(small);
  driven.check('a');
  driven.nowMs += recoveryMs(driven.settings);
  const silent = { listsLogins: false, namesLogins: true };
  assert.deepEqual(driven.observed([], silent), [`observe ${primary} and its logins`]);
  assert.equal(driven.target().recovering, true);
  assert.deepEqual(hiding(driven, []), ['grant a']);
});

for (const listsLogins of [false, true])
  test(`where nobody can say any more who logs in, their time ends it (the server ${listsLogins ? 'lists them' : 'hides them'})`, () => {
    const driven = new DrivenLedger(small);
    driven.pass(recoveryMs(driven.settings));
    hiding(driven, [71, 72]);
    if (!listsLogins) {
      driven.observed([], { listsLogins });
      driven.expectCounted(0, 2);
      driven.pass(60_000);
    }
    driven.observed([], { listsLogins });
    driven.expectCounted(0, 0);
  });

test('a second recovery makes nobody who has been logging in since the first a grant’s from between the two', () => {
  const endpoint = { host: '10.0.0.5', port: 5432 };
  const at = (...endpoints: (typeof endpoint)[]) => ({
    ...{ targets: { [primary]: { budget: 2, endpoints } }, services: { checkout: { maxConnections: 2 } } },
  });
  const driven = new DrivenLedger(at(endpoint));
  driven.pass(recoveryMs(driven.settings));
  hiding(driven, [71]);
  assert.deepEqual(driven.check('a'), ['grant a']);
  driven.plan(at(endpoint, { host: '10.0.0.6', port: 5432 }));
  hiding(driven, [71]);
  hiding(driven, [], [71]);
  driven.expectCounted(1, 1);
});

test('one of them who gets in is nobody’s who was granted since, whoever logs in beside him, or has his port by now', () => {
  for (const localAddress of ['10.1.1.1:4001', '10.9.9.9:71']) {
    const driven = new DrivenLedger(small);
    driven.pass(recoveryMs(driven.settings));
    hiding(driven, [71]);
    assert.deepEqual(driven.check('a'), ['grant a']);
    driven.report('a', { localAddress, remoteAddress: '10.0.0.5:5432' });
    hiding(driven, [77], [71]);
    driven.expectCounted(1, 1);
    driven.report('a', { serverId: 77 });
    hiding(driven, [], [71, 77]);
    driven.expectCounted(1, 1);
  }
});
