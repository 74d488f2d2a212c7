/** Slots that an Envoy took along, of which fewer can be alive than there are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import { confirmationMs } from './settings.js';

const limit = 4;

/** All of a service granted to a node that fell silent at once: `a`, `b`, `c`, `d`. */
function takenAlong(): DrivenLedger {
  const driven = DrivenLedger.recovered({
    targets: { [primary]: { budget: limit } },
    services: { checkout: { maxConnections: limit } },
  });
  for (const name of ['a', 'b', 'c', 'd']) assert.deepEqual(driven.check(name), [`grant ${name}`]);
  driven.pass(confirmationMs(driven.settings) + 2 * driven.settings.loginStartMs);
  return driven;
}

/** A list of a server that hides logins, with these. */
function loggingIn(
  driven: DrivenLedger,
  serverIds: readonly number[],
  sessions: readonly number[] = [],
): string[] {
  const letInMs = driven.nowMs - driven.settings.loginStartMs - 1;
  return driven.observed(
    sessions.map((serverId) => ({ serverId, peer: `203.0.113.7:${serverId}` })),
    { listsLogins: false, logins: { serverIds, dialledMs: letInMs, letInMs } },
  );
}

test('of slots that each may be the only login that hangs one counts, and the rest serve others', () => {
  const driven = takenAlong();
  for (const waiter of ['w', 'x', 'y', 'z']) driven.check(waiter);
  assert.deepEqual(loggingIn(driven, [77]), [
    'grant w',
    'grant x',
    'grant y',
    `observe ${primary} and its logins`,
  ]);
  driven.expectCounted(4, 0);
  assert.deepEqual(driven.connections, ['a', 'b', 'c', 'd', 'w', 'x', 'y']);
});

test('as many count as logins hang and rows may be theirs, and all of them where these are more', () => {
  const driven = takenAlong();
  loggingIn(driven, [77], [70]);
  driven.expectCounted(2, 0);
  loggingIn(driven, [77], [70]);
  driven.expectCounted(2, 0);
  const crowded = takenAlong();
  loggingIn(crowded, [77, 78, 79, 80, 81]);
  crowded.expectCounted(4, 0);
});

test('two servers of one target may have a login of the same id each: both count', () => {
  const driven = takenAlong();
  loggingIn(driven, [77, 77]);
  driven.expectCounted(2, 0);
});

test('a list that does not show who logs in changes nothing of it', () => {
  const driven = takenAlong();
  loggingIn(driven, [77]);
  driven.observed([], { listsLogins: false });
  driven.expectCounted(1, 0);
});

test('once the login is over all are free', () => {
  const driven = takenAlong();
  loggingIn(driven, [77]);
  loggingIn(driven, []);
  driven.expectCounted(0, 0);
  assert.deepEqual(driven.connections, []);
});

test('one that is reported open counts, and so does another one: which login is whose is not known', () => {
  const driven = takenAlong();
  loggingIn(driven, [77]);
  driven.report('a', { localAddress: '10.1.1.1:4001' });
  driven.expectCounted(2, 0);
  driven.end('a', 'server-closed', { localAddress: '10.1.1.1:4001' });
  driven.expectCounted(1, 0);
  assert.deepEqual(driven.connections, ['b', 'c', 'd']);
});

test('one whose client asks again was never used: the login is one of the rest, and it is granted beside', () => {
  const driven = takenAlong();
  loggingIn(driven, [77]);
  for (const name of ['a', 'b', 'c']) assert.deepEqual(driven.check(name), [`grant ${name}`]);
  driven.expectCounted(4, 0);
});

test('where others have its place by then it waits', () => {
  const driven = takenAlong();
  loggingIn(driven, [77]);
  for (const name of ['w', 'x', 'y']) assert.deepEqual(driven.check(name), [`grant ${name}`]);
  assert.deepEqual(driven.check('a'), []);
  driven.expectCounted(4, 0);
  assert.deepEqual(driven.end('w', 'never-opened'), ['grant a']);
});

test('each service counts as many as it may have, whoever of the others is alive', () => {
  const driven = DrivenLedger.recovered({ services: { checkout: {}, billing: {} } });
  for (const name of ['a', 'b']) driven.check(name);
  for (const name of ['p', 'q']) driven.check(name, 'billing');
  driven.pass(confirmationMs(driven.settings) + 2 * driven.settings.loginStartMs);
  loggingIn(driven, [77]);
  assert.equal(driven.service('checkout').used, 1);
  assert.equal(driven.service('billing').used, 1);
  // Told again, a plan counts as before.
  driven.plan({ services: { checkout: {}, billing: { maxConnections: 5 } } });
  driven.expectCounted(2, 0);
});

test('sessions for KILL alone are counted by themselves: their reserve is not for more than it was', () => {
  const driven = DrivenLedger.recovered({
    services: { checkout: { maxConnections: limit, maxQueue: 0, killReserve: 2 } },
  });
  for (const name of ['a', 'b', 'c', 'd']) driven.check(name);
  driven.pass(confirmationMs(driven.settings) + 2 * driven.settings.loginStartMs);
  loggingIn(driven, [77]);
  driven.expectCounted(2, 0);
  assert.deepEqual(driven.check('w'), ['grant w']);
  assert.deepEqual(driven.check('x'), ['grant x only-kill service_limit']);
  assert.deepEqual(driven.check('y'), ['refuse y service_limit']);
});

test('nor do they hold more places of their door than logins hang', () => {
  const driven = DrivenLedger.recovered({
    targets: { [primary]: { budget: 20 } },
    services: { checkout: { maxConnections: 20 } },
  });
  const source = '192.0.2.1';
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (const name of names) driven.check(name, 'checkout', 0, source);
  driven.check('w', 'checkout', 0, source);
  driven.pass(confirmationMs(driven.settings) + 2 * driven.settings.loginStartMs);
  driven.check('w', 'checkout', 0, source);
  assert.deepEqual(driven.connections, names);
  assert.deepEqual(loggingIn(driven, [77]), ['grant w', `observe ${primary} and its logins`]);
  for (const name of ['x', 'y', 'z'])
    assert.deepEqual(driven.check(name, 'checkout', 0, source), [`grant ${name}`]);
  driven.check('v', 'checkout', 0, source);
  // One of the five that is known to have been in vain: the login is of the other four.
  driven.end('a', 'never-opened');
  assert.ok(!driven.connections.includes('v'));
  assert.ok(loggingIn(driven, []).includes('grant v'));
});
