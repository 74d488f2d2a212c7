import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger } from '../../../test/simulation/driven-ledger.js';
import type { ObservedSession } from './events.js';
import { confirmationMs } from './settings.js';

const plan = { services: { checkout: { maxConnections: 10 } } };
const named = {
  services: {
    checkout: { maxConnections: 10, allow: [{ user: 'checkout' }] },
    billing: { maxConnections: 10, allow: [{ user: 'billing' }] },
  },
};
const people = (count: number): ObservedSession[] =>
  Array.from({ length: count }, (_, i) => ({ serverId: 900 + i, peer: `10.9.9.9:${900 + i}` }));

test('report before list: one session', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001' }]);
  driven.expectCounted(1, 0);
});

test('list before report: one session, also between the two', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001' }]);
  driven.expectCounted(1, 0);
  driven.report('a', { serverId: 11 });
  driven.expectCounted(1, 0);
});

test('a session is joined by its address until its server id is known', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  driven.report('a', { localAddress: '10.1.1.1:4001' });
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001' }]);
  driven.expectCounted(1, 0);
  driven.end('a', 'proxy-closed', { localAddress: '10.1.1.1:4001' });
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001' }]);
  driven.expectCounted(1, 0);
  driven.observed([]);
  driven.expectCounted(0, 0);
});

test('with NAT between, a session that is listed before its id is known counts once', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  driven.report('a', { localAddress: '10.1.1.1:4001' });
  driven.observed([{ serverId: 11, peer: '203.0.113.7:60001' }]);
  driven.expectCounted(1, 0);
  driven.report('a', { localAddress: '10.1.1.1:4001', serverId: 11 });
  driven.expectCounted(1, 0);
});

test('a guess is given up when the id says otherwise', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  driven.observed([{ serverId: 70, peer: '10.9.9.9:1' }]);
  driven.expectCounted(1, 0);
  driven.report('a', { serverId: 11 });
  driven.expectCounted(1, 1);
});

test('a list that was asked for before a grant explains nothing about it', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.observed(people(1));
  driven.check('a');
  driven.observed(people(1));
  driven.expectCounted(1, 1);
});

test('a list that was asked for before an end, and comes after it, does not bring the session back', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  driven.nowMs += 5;
  const askedAtMs = driven.nowMs;
  driven.nowMs += 5;
  driven.end('a', 'server-closed', { serverId: 11 });
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001' }], { askedAtMs });
  driven.expectCounted(0, 0);
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001' }]);
  driven.expectCounted(0, 1);
});

test('a session that ends takes its row out of the list that is there', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  driven.observed([{ serverId: 11 }]);
  driven.end('a', 'server-closed');
  driven.expectCounted(0, 0);
});

test('of two unconfirmed grants one counts while one session is there that may be either’s', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  driven.check('b');
  driven.pass(confirmationMs(driven.settings) + driven.settings.marginMs);
  driven.observed([{ serverId: 70, peer: '10.9.9.9:1' }]);
  driven.expectCounted(1, 0);
  assert.deepEqual(driven.connections, ['a', 'b']);
  // It turns out not to be the one's, so it was the other's all the time.
  assert.deepEqual(driven.check('b'), ['grant b']);
  driven.observed([{ serverId: 70, peer: '10.9.9.9:1' }]);
  driven.expectCounted(2, 0);
  driven.observed([]);
  driven.expectCounted(1, 0);
});

test('a session that comes after a list which would have shown one’s own is not taken for it', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  driven.pass(confirmationMs(driven.settings) + driven.settings.marginMs);
  driven.observed([{ serverId: 70, peer: '10.9.9.9:1' }]);
  driven.expectCounted(1, 0);
  driven.observed([{ serverId: 71, peer: '10.9.9.9:2' }]);
  driven.expectCounted(0, 1);
});

test('a client that asks again had not opened what its grant was taken for', () => {
  const driven = DrivenLedger.recovered(named);
  driven.check('a');
  driven.observed([{ serverId: 70, peer: '10.1.1.1:1', user: 'checkout' }]);
  driven.expectCounted(1, 0);
  driven.check('a');
  driven.expectCounted(1, 1);
  driven.observed([{ serverId: 70, peer: '10.1.1.1:1', user: 'checkout' }]);
  driven.expectCounted(1, 1);
});

test('a login that ends while the database is asked does not make a session seem over', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  driven.report('a', {});
  const askedAtMs = driven.nowMs + 1;
  driven.nowMs += 2;
  driven.report('a', { serverId: 11 });
  driven.observed([], { askedAtMs, listsLogins: false });
  driven.end('a', 'proxy-closed', { serverId: 11 });
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001' }], { listsLogins: false });
  driven.expectCounted(1, 0);
});

test('a session with another service’s account is not taken for one’s own', () => {
  const driven = DrivenLedger.recovered(named);
  driven.check('a');
  driven.pass(confirmationMs(driven.settings) + driven.settings.marginMs);
  driven.observed([{ serverId: 70, peer: '10.1.1.1:1', user: 'billing' }]);
  driven.expectCounted(0, 1);
});

test('people use the reserve: sessions of nobody’s take from the budget only what does not fit into it', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.observed(people(2));
  assert.deepEqual(driven.target(), { ...driven.target(), unjoined: 2, unjoinedCounted: 0, free: 10 });
  driven.observed(people(5));
  assert.deepEqual(driven.target(), { ...driven.target(), unjoined: 5, unjoinedCounted: 3, free: 7 });
});

test('the observer’s own sessions are in the reserve', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.observed(people(2), { own: [1] });
  assert.deepEqual(driven.target(), { ...driven.target(), unjoined: 2, unjoinedCounted: 1, free: 9 });
});

test('a flood of direct connections shrinks what is given, and gives it back when it goes', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.observed(people(12));
  assert.deepEqual(driven.check('a'), []);
  assert.deepEqual(driven.observed(people(11)), ['grant a']);
});

test('a session with a service’s account that no node reports is counted as that service’s, not as people’s', () => {
  const driven = DrivenLedger.recovered(named);
  driven.observed([
    { serverId: 70, peer: '10.1.1.1:1', user: 'checkout' },
    { serverId: 71, peer: '10.9.9.9:1', user: 'alice' },
  ]);
  assert.deepEqual(driven.target(), { ...driven.target(), unjoined: 2, unjoinedCounted: 1, free: 9 });
  driven.report('old', { serverId: 70 });
  assert.deepEqual(driven.target(), { ...driven.target(), used: 1, unjoinedCounted: 0, free: 9 });
});

test('such a session counts against the limit of its service and its tenant', () => {
  const driven = DrivenLedger.recovered({
    ...named,
    services: { ...named.services, checkout: { ...named.services.checkout, maxConnections: 1 } },
  });
  driven.observed([{ serverId: 70, peer: '10.1.1.1:1', user: 'checkout' }]);
  assert.deepEqual(driven.check('a'), []);
  assert.deepEqual(driven.check('b', 'billing'), ['grant b']);
  assert.deepEqual(driven.observed([]), ['grant a']);
});

test('sessions of several servers with the same id are each their own', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  driven.open('b', 11);
  driven.observed([
    { serverId: 11, peer: '10.1.1.1:1' },
    { serverId: 11, peer: '10.1.1.1:2' },
  ]);
  driven.expectCounted(2, 0);
  driven.end('a', 'proxy-closed');
  driven.end('b', 'proxy-closed');
  driven.observed([{ serverId: 11, peer: '10.1.1.1:2' }]);
  assert.ok(driven.target().used >= 1);
  driven.observed([]);
  driven.expectCounted(0, 0);
});
