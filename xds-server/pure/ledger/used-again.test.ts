/** Pids, ports and addresses are used again: whose session does a list show then? */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import { confirmationMs } from './settings.js';

const plan = { services: { checkout: { maxConnections: 10 } } };

test('a pid that is used again is the younger connection’s, and the older one’s slot becomes free', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001' }]);
  driven.end('a', 'proxy-closed', { serverId: 11 });
  driven.nowMs += 5;
  driven.open('b', 11);
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4002' }]);
  driven.expectCounted(1, 0);
  assert.deepEqual(
    driven.ledger.view({ sessions: 9 }).sessions.map(({ connection }) => connection),
    ['b'],
  );
});

test('a pid that a stranger uses again does not hold a closing slot: a list was had without it', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  driven.end('a', 'proxy-closed', { localAddress: '10.1.1.1:4001' });
  driven.pass(driven.settings.marginMs);
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001' }]);
  driven.observed([{ serverId: 11, peer: '10.9.9.9:5555' }]);
  driven.expectCounted(0, 1);
});

test('a pid and a port that somebody at another address had last are the connection’s own', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.observed([{ serverId: 11, peer: '10.7.7.7:4001' }]);
  driven.check('a');
  driven.report('a', { localAddress: '10.1.1.1:4001' });
  driven.end('a', 'proxy-closed', { localAddress: '10.1.1.1:4001' });
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001' }]);
  driven.expectCounted(1, 0);
  assert.deepEqual(driven.connections, ['a']);
});

test('a port that is used again while the server still has the session before does not mix the two up', () => {
  const driven = DrivenLedger.recovered(plan);
  const address = { localAddress: '10.1.1.1:4001' };
  driven.check('a');
  driven.report('a', address);
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001' }]);
  driven.end('a', 'proxy-closed', address);
  driven.nowMs += 5;
  driven.check('b');
  driven.report('b', address);
  driven.observed([
    { serverId: 12, peer: '10.1.1.1:4001' },
    { serverId: 11, peer: '10.1.1.1:4001' },
  ]);
  driven.expectCounted(2, 0);
  // Which of the two is left is not known before a node has said it.
  driven.observed([{ serverId: 12, peer: '10.1.1.1:4001' }]);
  driven.expectCounted(2, 0);
  driven.report('b', { ...address, serverId: 12 });
  driven.pass(driven.settings.marginMs);
  driven.observed([{ serverId: 12, peer: '10.1.1.1:4001' }]);
  driven.expectCounted(1, 0);
  assert.deepEqual(driven.connections, ['b']);
});

test('a pid that goes from the younger connection to the older one is that one’s who is reported after the other’s end', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('older');
  driven.check('younger');
  driven.observed([{ serverId: 11, peer: '10.9.9.1:4001' }]);
  driven.report('older', { localAddress: '10.1.1.1:4001' });
  driven.nowMs += 5;
  driven.end('younger', 'proxy-closed', { localAddress: '10.1.1.2:4001', serverId: 11 });
  driven.observed([{ serverId: 11, peer: '10.9.9.2:4001' }]);
  driven.pass(driven.settings.reportIntervalMs);
  driven.report('older', { localAddress: '10.1.1.1:4001', serverId: 11 });
  driven.observed([{ serverId: 11, peer: '10.9.9.2:4001' }]);
  driven.expectCounted(1, 0);
  assert.deepEqual(driven.connections, ['older']);
});

test('of two closing connections with the same pid none is freed while the list shows the pid', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  driven.end('a', 'proxy-closed', { serverId: 11 });
  driven.check('b');
  driven.end('b', 'proxy-closed', { serverId: 11 });
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4002' }]);
  driven.expectCounted(2, 0);
  driven.observed([]);
  driven.expectCounted(0, 0);
});

test('a pid that a closing connection had may be another’s by now: one that may be that one stays too', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  driven.end('a', 'proxy-closed', { serverId: 11 });
  driven.check('b');
  driven.end('b', 'proxy-closed', { localAddress: '10.1.1.1:4002' });
  driven.pass(driven.settings.marginMs);
  // NAT may be between: the address says neither whose it is nor whose it is not.
  driven.observed([{ serverId: 11, peer: '203.0.113.7:60001' }]);
  driven.expectCounted(2, 0);
  driven.observed([]);
  driven.expectCounted(0, 0);
});

test('a pid is a connection’s for sure when that is reported open after a list has shown it', () => {
  const driven = DrivenLedger.recovered(plan);
  const rows = [{ serverId: 11, peer: '203.0.113.7:60001' }];
  driven.open('a', 11);
  driven.check('b');
  driven.end('b', 'proxy-closed', { localAddress: '10.1.1.1:4002' });
  driven.pass(driven.settings.marginMs);
  driven.observed(rows);
  driven.expectCounted(2, 0);
  // It may have been sent before the list was made.
  driven.pass(driven.settings.marginMs);
  driven.report('a', { serverId: 11 });
  driven.observed(rows);
  driven.expectCounted(2, 0);
  driven.pass(driven.settings.marginMs);
  driven.report('a', { serverId: 11 });
  driven.observed(rows);
  driven.expectCounted(1, 0);
  assert.deepEqual(driven.connections, ['a']);
});

for (const nodes of ['whose addresses servers see', 'of which that is not known'])
  test(`a late report does not make one that is over the owner of who has its pid, at another’s address: nodes ${nodes}`, () => {
    const driven = DrivenLedger.recovered(plan);
    const before = { serverId: 11, localAddress: '10.1.1.1:4001' };
    const lives = { localAddress: '10.1.1.1:4002' };
    driven.open('a', 11);
    driven.report('a', before);
    if (nodes.startsWith('whose')) driven.observed([{ serverId: 11, peer: '10.1.1.1:4001' }]);
    for (let list = 1; list <= 2; list++) driven.observed([]);
    driven.check('b');
    driven.report('b', lives);
    driven.end('b', 'proxy-closed', lives);
    driven.observed([{ serverId: 11, peer: '10.1.1.1:4002' }]);
    driven.pass(driven.settings.marginMs + 1);
    driven.report('a', before);
    driven.observed([{ serverId: 11, peer: '10.1.1.1:4002' }]);
    assert.deepEqual([...driven.connections].sort(), ['a', 'b']);
  });

test('an end that comes late does not take along the session of who has the pid since', () => {
  const driven = DrivenLedger.recovered(plan);
  const listed = [{ serverId: 11, peer: '203.0.113.7:60002' }];
  driven.check('a');
  driven.open('b', 11);
  driven.nowMs += 5;
  driven.report('a', {});
  driven.end('b', 'proxy-closed', { serverId: 11 });
  driven.observed(listed);
  const askedAtMs = driven.nowMs + 1;
  driven.nowMs += 5;
  driven.end('a', 'server-closed', { serverId: 11 });
  driven.observed(listed, { askedAtMs });
  driven.expectCounted(1, 0);
  assert.deepEqual(driven.connections, ['b']);
  driven.observed([]);
  driven.expectCounted(0, 0);
});

test('an end does not take along the session of who had the same address before, and is closing', () => {
  const driven = DrivenLedger.recovered(plan);
  const address = { localAddress: '10.1.1.1:4001' };
  const row = { serverId: 11, peer: '10.1.1.1:4001' };
  driven.open('z', 9);
  driven.report('z', { serverId: 9, localAddress: '10.1.1.1:4000' });
  driven.observed([{ serverId: 9, peer: '10.1.1.1:4000' }]);
  driven.check('b');
  driven.check('a');
  driven.report('a', address);
  driven.end('a', 'proxy-closed', address);
  driven.pass(driven.settings.marginMs + 1);
  driven.observed([{ serverId: 9, peer: '10.1.1.1:4000' }, row]);
  driven.report('b', address);
  driven.end('b', 'server-closed', { ...address, login: 'failed' });
  driven.observed([{ serverId: 9, peer: '10.1.1.1:4000' }, row]);
  assert.deepEqual(driven.connections, ['z', 'a']);
});

test('nor where that one has had both the same address and the same pid', () => {
  const driven = DrivenLedger.recovered(plan);
  const both = { serverId: 11, localAddress: '10.1.1.1:4001' };
  const row = { serverId: 11, peer: '10.1.1.1:4001' };
  driven.check('a');
  driven.report('a', { localAddress: both.localAddress });
  driven.observed([row]);
  // It is over, and its end comes late.
  driven.observed([]);
  driven.check('b');
  driven.report('b', { localAddress: both.localAddress });
  driven.tell({ kind: 'cut-off', node: 'n1' });
  driven.pass(driven.settings.marginMs + 1);
  driven.observed([row]);
  driven.end('a', 'server-closed', both);
  driven.observed([row]);
  assert.deepEqual(driven.connections, ['b']);
});

test('where thousands are closing an end is not compared with each: its row stays until the next list', () => {
  const limit = 2_000;
  const driven = DrivenLedger.recovered({
    targets: { [primary]: { budget: limit } },
    services: { checkout: { maxConnections: limit } },
  });
  const rows = Array.from({ length: 1_002 }, (_, i) => ({ serverId: i + 1, peer: `192.0.2.1:${i + 1}` }));
  const names = rows.map(({ serverId }) => `c${serverId}`);
  for (const [i, name] of names.entries()) {
    driven.ledger.apply(
      { kind: 'check', connection: name, node: 'n1', service: 'checkout', waitedMs: 0 },
      driven.nowMs,
    );
    const upstream = { serverId: i + 1 };
    driven.ledger.apply(
      { kind: 'report', connection: name, node: 'n1', service: 'checkout', upstream },
      driven.nowMs,
    );
  }
  driven.observed(rows);
  driven.tell({ kind: 'cut-off', node: 'n1' });
  driven.end('c1', 'server-closed', { serverId: 1 });
  driven.expectCounted(1_001, 1);
  driven.observed(rows.slice(1));
  driven.expectCounted(1_001, 0);
});

test('an id that comes with its own address is one’s own, whoever else has ended', () => {
  const driven = DrivenLedger.recovered(plan);
  const address = { localAddress: '10.1.1.1:4001' };
  driven.check('a');
  driven.report('a', address);
  driven.check('b');
  driven.report('b', {});
  driven.end('b', 'proxy-closed', {});
  driven.end('a', 'proxy-closed', { ...address, serverId: 11 });
  driven.pass(driven.settings.marginMs);
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001' }]);
  driven.expectCounted(1, 0);
  assert.deepEqual(driven.connections, ['a']);
});

test('a list that was asked for before a connection was open does not say which session is its own', () => {
  const driven = DrivenLedger.recovered(plan);
  const address = { localAddress: '10.1.1.1:4001' };
  const noLogins = { listsLogins: false };
  const askedAtMs = driven.nowMs + 1;
  driven.nowMs += 2;
  driven.check('a');
  driven.report('a', address);
  // Of who had the port before.
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001' }], { ...noLogins, askedAtMs });
  driven.end('a', 'proxy-closed', address);
  for (let list = 1; list <= 2; list++) driven.observed([], noLogins);
  driven.expectCounted(1, 0);
  driven.pass(driven.settings.queueMs + 60_000);
  driven.observed([], noLogins);
  driven.expectCounted(0, 0);
});

test('of two logins from the same port it is not known which of them a list shows', () => {
  const driven = DrivenLedger.recovered(plan);
  const address = { localAddress: '10.1.1.1:4001' };
  const noLogins = { listsLogins: false };
  for (const name of ['a', 'b']) {
    driven.check(name);
    driven.report(name, address);
    driven.nowMs += 5;
    driven.end(name, 'proxy-closed', address);
  }
  driven.observed([{ serverId: 12, peer: '10.1.1.1:4001' }], noLogins);
  driven.observed([], noLogins);
  driven.expectCounted(2, 0);
  driven.pass(driven.settings.queueMs + 60_000);
  driven.observed([], noLogins);
  driven.expectCounted(0, 0);
});

test('an open connection that a list has shown to be over does not own who has its pid and port afterwards', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  driven.observed([]);
  driven.check('b');
  driven.pass(confirmationMs(driven.settings) + driven.settings.marginMs);
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001' }]);
  // It may be b's, which nobody has reported; of a's end there are two lists by now.
  driven.expectCounted(1, 0);
  assert.equal(driven.target().closing, 1);
});

test('an address that somebody may have who was granted since teaches nothing: its connection may be over', () => {
  const loginTimeoutMs = 5_000;
  const hidesLogins = { listsLogins: false, loginTimeoutMs };
  const driven = DrivenLedger.recovered(plan);
  const address = { localAddress: '10.1.1.1:4001' };
  driven.check('a');
  driven.report('a', address);
  driven.check('b');
  // It is b's: a is over, and its login still in the server's queue.
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001', user: 'ann' }], hidesLogins);
  driven.end('a', 'proxy-closed', address);
  driven.observed([], hidesLogins);
  assert.deepEqual(driven.connections, ['a', 'b']);
  driven.end('b', 'server-closed', { ...address, serverId: 11 });
  driven.pass(driven.settings.queueMs + loginTimeoutMs);
  driven.observed([], hidesLogins);
  driven.expectCounted(0, 0);
});

test('where nobody else of its node may have an address, a row with it is enough to know a session by', () => {
  const hidesLogins = { listsLogins: false, loginTimeoutMs: 5_000 };
  const driven = DrivenLedger.recovered(plan);
  const address = { localAddress: '10.1.1.1:4001' };
  driven.check('a');
  driven.report('a', address);
  driven.observed([{ serverId: 11, peer: '10.1.1.1:4001', user: 'ann' }], hidesLogins);
  driven.end('a', 'proxy-closed', address);
  driven.observed([], hidesLogins);
  driven.expectCounted(0, 0);
});

test('a new ledger that is told late of one that is over, by a pid that is another service’s now, counts both', () => {
  const target = 'users/primary';
  const driven = new DrivenLedger({
    targets: { [primary]: {}, [target]: { endpoints: [{ host: '10.0.0.6', port: 5432 }] } },
    services: { checkout: { allow: [{ user: 'ann' }] }, billing: { target, allow: [{ user: 'bob' }] } },
  });
  const row = { serverId: 11, peer: '10.1.1.1:4002', user: 'ann' };
  const over = { serverId: 11, localAddress: '10.1.1.1:4001', remoteAddress: '10.0.0.5:5432' };
  driven.report('a', over, 'billing');
  for (let list = 1; list <= 3; list++) driven.observed([row]);
  driven.expectCounted(1, 1);
  driven.report('b', { ...over, localAddress: '10.1.1.1:4002' }, 'billing');
  driven.expectCounted(2, 0);
  driven.end('a', 'proxy-closed', over, 'billing');
  for (let list = 1; list <= 2; list++) driven.observed([]);
  assert.ok(!driven.connections.includes('a'));
});

test('nor does it forget one that has ended, of a service that is in no plan: its account may be any other’s', () => {
  const driven = new DrivenLedger({ services: { billing: { allow: [{ user: 'app' }] } } });
  const rows = [{ serverId: 11, peer: '203.0.113.7:60001', user: 'app' }];
  const upstream = { serverId: 11, localAddress: '10.1.1.1:4001', remoteAddress: '10.0.0.5:5432' };
  driven.end('a', 'proxy-closed', upstream);
  for (let list = 1; list <= 3; list++) driven.observed(rows);
  assert.equal(driven.service('checkout').used, 1);
  driven.observed([]);
  assert.deepEqual(driven.connections, []);
});

test('a single report of one that no grant is known of does not free those who may have its pid', () => {
  const driven = DrivenLedger.recovered(plan);
  const rows = [{ serverId: 11, peer: '203.0.113.7:60001' }];
  driven.check('b');
  driven.pass(confirmationMs(driven.settings));
  driven.observed(rows);
  driven.pass(driven.settings.marginMs + 1);
  // It was sent by a node that had stood still since the server gave the pid to another one.
  driven.report('a', { serverId: 11 });
  for (let list = 1; list <= 2; list++) driven.observed(rows);
  assert.deepEqual(driven.connections, ['b', 'a']);
  driven.pass(driven.settings.marginMs + 1);
  driven.report('a', { serverId: 11 });
  driven.observed(rows);
  assert.deepEqual(driven.connections, ['a']);
});

test('an end at a server that no target has takes nobody along who has the same pid at another', () => {
  const driven = DrivenLedger.recovered({
    services: { checkout: { allow: [{ user: 'ann' }] }, billing: { allow: [{ user: 'bob' }] } },
  });
  const elsewhere = { serverId: 11, remoteAddress: '10.0.0.9:5432' };
  const rows = [{ serverId: 11, peer: '203.0.113.7:60001', user: 'ann' }];
  driven.check('a');
  driven.end('a', 'proxy-closed', { localAddress: '10.1.1.1:4001' });
  driven.report('b', elsewhere, 'billing');
  driven.pass(driven.settings.marginMs + 1);
  const askedAtMs = driven.nowMs;
  driven.nowMs += 5;
  driven.end('b', 'server-closed', elsewhere, 'billing');
  driven.observed(rows, { askedAtMs });
  assert.deepEqual(driven.connections, ['a']);
});
