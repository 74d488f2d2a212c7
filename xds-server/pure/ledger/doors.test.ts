import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import type { UpstreamFacts } from './events.js';
import { confirmationMs } from './settings.js';

const mallory = '10.6.6.6';
const alice = '10.1.1.1';
/** Two logins of one source at once. */
const plan = {
  targets: { [primary]: { budget: 8 } },
  services: { checkout: { maxConnections: 8, timeoutMs: 60_000 } },
};
const address = { localAddress: '10.1.1.9:4001' };

function driven(): DrivenLedger {
  return DrivenLedger.recovered(plan);
}

const checkFrom = (ledger: DrivenLedger, connection: string, source: string): string[] =>
  ledger.check(connection, 'checkout', 0, source);

/** Comes in, is turned away by the server. */
function fails(ledger: DrivenLedger, connection: string, how: UpstreamFacts['login'] = 'failed'): void {
  assert.deepEqual(checkFrom(ledger, connection, mallory), [`grant ${connection}`]);
  ledger.end(connection, 'server-closed', { ...address, ...(how && { login: how }) });
}

test('of one source only so many log in at once; others come in by their own doors', () => {
  const ledger = driven();
  assert.deepEqual(checkFrom(ledger, 'm1', mallory), ['grant m1']);
  assert.deepEqual(checkFrom(ledger, 'm2', mallory), ['grant m2']);
  assert.deepEqual(checkFrom(ledger, 'm3', mallory), [`observe ${primary}`]);
  assert.deepEqual(checkFrom(ledger, 'a1', alice), ['grant a1']);
  assert.equal(ledger.service().waiters, 1);
});

test('a login that its node says is accepted makes room for two, in the order of birth', () => {
  const ledger = driven();
  for (const id of ['a1', 'a2']) checkFrom(ledger, id, alice);
  for (const id of ['a4', 'a5']) checkFrom(ledger, id, alice);
  ledger.check('a3', 'checkout', 500, alice);
  const accepted = ledger.report('a1', { login: 'accepted' });
  assert.deepEqual(accepted, ['grant a3', 'grant a4', `observe ${primary}`]);
  assert.deepEqual(ledger.report('a1', { login: 'accepted' }), []);
  assert.deepEqual(ledger.end('a2', 'server-closed', { ...address, login: 'accepted' }), ['grant a5']);
});

test('whoever has a password soon has all of the limit, also for logins alone', () => {
  const ledger = driven();
  for (let i = 1; i <= 6; i += 1) {
    checkFrom(ledger, `a${i}`, alice);
    ledger.end(`a${i}`, 'server-closed', { ...address, login: 'accepted' });
  }
  for (let i = 1; i <= 8; i += 1) assert.deepEqual(checkFrom(ledger, `b${i}`, alice), [`grant b${i}`]);
});

test('a failure takes half of what was earned', () => {
  const ledger = driven();
  for (let i = 1; i <= 4; i += 1) {
    checkFrom(ledger, `a${i}`, mallory);
    ledger.end(`a${i}`, 'server-closed', { ...address, login: 'accepted' });
  }
  fails(ledger, 'm1');
  for (let i = 1; i <= 4; i += 1) assert.deepEqual(checkFrom(ledger, `b${i}`, mallory), [`grant b${i}`]);
  assert.deepEqual(checkFrom(ledger, 'b5', mallory), [`observe ${primary}`]);
});

test('a login that the list shows is accepted before its node has said so', () => {
  const ledger = driven();
  for (const id of ['a1', 'a2', 'a3']) checkFrom(ledger, id, alice);
  ledger.report('a1', address);
  const row = { serverId: 11, peer: address.localAddress };
  assert.deepEqual(
    ledger.observed([row]),
    [`observe ${primary}`],
    'a row without a user is still logging in',
  );
  assert.deepEqual(ledger.observed([{ ...row, user: 'ann' }]), ['grant a3']);
});

test('where only those who are in are listed, a row is enough', () => {
  const ledger = driven();
  for (const id of ['a1', 'a2', 'a3']) checkFrom(ledger, id, alice);
  ledger.report('a1', address);
  const row = { serverId: 11, peer: address.localAddress };
  assert.deepEqual(ledger.observed([row], { listsLogins: false }), ['grant a3']);
});

test('a row that may be another one’s says nothing of a login: behind NAT the node’s word is waited for', () => {
  const ledger = driven();
  checkFrom(ledger, 'a1', alice);
  for (const id of ['m1', 'm2', 'm3']) checkFrom(ledger, id, mallory);
  ledger.report('m1', address);
  ledger.report('a1', { localAddress: '10.1.1.9:4002' });
  const row = { serverId: 11, peer: '192.0.2.1:6001', user: 'ann' };
  assert.deepEqual(ledger.observed([row], { listsLogins: false }), [`observe ${primary}`]);
  assert.deepEqual(
    ledger.report('a1', { localAddress: '10.1.1.9:4002', serverId: 11, login: 'accepted' }),
    [],
  );
  assert.deepEqual(ledger.report('m1', { ...address, login: 'accepted' }), ['grant m3']);
});

test('nor does the row of a server that uses the id of another one’s session, or of a port that two have had', () => {
  const ledger = driven();
  for (const id of ['m1', 'm2', 'm3']) checkFrom(ledger, id, mallory);
  ledger.report('m1', { ...address, serverId: 11 });
  const row = { serverId: 11, peer: '192.0.2.1:6001', user: 'ann' };
  const observe = [`observe ${primary}`];
  assert.deepEqual(
    ledger.observed([{ ...row, peer: '192.0.2.1:6002' }, row], { listsLogins: false }),
    observe,
  );
  ledger.report('m2', { localAddress: '10.1.1.9:4002' });
  checkFrom(ledger, 'a1', alice);
  ledger.report('a1', { localAddress: '10.1.1.9:4002' });
  const shared = { serverId: 12, peer: '10.1.1.9:4002', user: 'ann' };
  assert.deepEqual(ledger.observed([shared], { listsLogins: false }), observe);
});

test('nor does the row of an address that somebody else may have by now: its connection was not reported since', () => {
  const ledger = driven();
  for (const id of ['m1', 'm2', 'm3']) checkFrom(ledger, id, mallory);
  ledger.report('m1', address);
  ledger.nowMs += ledger.settings.marginMs + 1;
  const row = { serverId: 11, peer: address.localAddress, user: 'ann' };
  assert.deepEqual(ledger.observed([row], { listsLogins: false }), [`observe ${primary}`]);
  ledger.report('m1', address);
  assert.deepEqual(ledger.observed([row], { listsLogins: false }), ['grant m3']);
});

test('nor does the row of an address that one may have who was granted since and came by another door', () => {
  const ledger = driven();
  for (const id of ['m1', 'm2', 'm3']) checkFrom(ledger, id, mallory);
  ledger.report('m1', address);
  checkFrom(ledger, 'a1', alice);
  const row = { serverId: 11, peer: address.localAddress, user: 'ann' };
  assert.deepEqual(ledger.observed([row], { listsLogins: false }), [`observe ${primary}`]);
  ledger.report('a1', { localAddress: '10.1.1.9:4002' });
  assert.deepEqual(ledger.observed([row], { listsLogins: false }), ['grant m3']);
});

test('after failures in a row the door is shut, for longer each time, and opens by itself', () => {
  const ledger = driven();
  for (let i = 1; i <= 5; i += 1) fails(ledger, `m${i}`);
  assert.deepEqual(checkFrom(ledger, 'm6', mallory), []);
  assert.deepEqual(checkFrom(ledger, 'a1', alice), ['grant a1']);
  assert.deepEqual(ledger.pass(249), []);
  assert.deepEqual(ledger.pass(1), ['grant m6']);
  ledger.end('m6', 'server-closed', { ...address, login: 'failed' });
  assert.deepEqual(checkFrom(ledger, 'm7', mallory), []);
  assert.deepEqual(ledger.pass(499), []);
  assert.deepEqual(ledger.pass(1), ['grant m7']);
});

test('logins that break off together, as a server goes, shut the door once', () => {
  const ledger = DrivenLedger.recovered({
    targets: { [primary]: { budget: 100 } },
    services: { checkout: { maxConnections: 100 } },
  });
  for (let i = 1; i <= 25; i += 1) checkFrom(ledger, `a${i}`, alice);
  for (let i = 1; i <= 25; i += 1) ledger.end(`a${i}`, 'server-closed', address);
  assert.deepEqual(checkFrom(ledger, 'a26', alice), []);
  assert.deepEqual(ledger.pass(250), ['grant a26']);
});

test('one login that is accepted wipes the failures out', () => {
  const ledger = driven();
  for (let i = 1; i <= 4; i += 1) fails(ledger, `m${i}`);
  checkFrom(ledger, 'm5', mallory);
  ledger.report('m5', { login: 'accepted' });
  fails(ledger, 'm6');
  assert.deepEqual(checkFrom(ledger, 'm7', mallory), ['grant m7']);
});

test('a login that is broken off is a failure; one that the server could not take, or that never reached it, is none', () => {
  const ledger = driven();
  for (let i = 1; i <= 4; i += 1) fails(ledger, `m${i}`);
  fails(ledger, 'm5', 'unavailable');
  checkFrom(ledger, 'm6', mallory);
  ledger.end('m6', 'never-opened');
  assert.deepEqual(checkFrom(ledger, 'm7', mallory), ['grant m7']);
  ledger.end('m7', 'server-closed', address);
  assert.deepEqual(checkFrom(ledger, 'm8', mallory), []);
});

test('who stands aside is told why when its time is up, and holds a place in the queue', () => {
  const ledger = DrivenLedger.recovered({
    services: { checkout: { maxConnections: 8, maxQueue: 1, timeoutMs: 500 } },
  });
  for (const id of ['m1', 'm2', 'm3']) checkFrom(ledger, id, mallory);
  assert.deepEqual(checkFrom(ledger, 'm4', mallory), ['refuse m4 login_limit']);
  assert.equal(
    ledger.refusalText,
    '2 logins from this address at service "checkout" are under way, and no more are taken at once',
  );
  assert.deepEqual(ledger.pass(500), ['refuse m3 login_limit']);
});

test('who stands aside and leaves is forgotten; a service that goes takes its doors along', () => {
  const ledger = driven();
  for (const id of ['m1', 'm2', 'm3', 'm4']) checkFrom(ledger, id, mallory);
  assert.deepEqual(ledger.cancel('m3'), []);
  assert.deepEqual(ledger.plan({ services: { other: {} } }), ['refuse m4 service_removed']);
});

test('a limit that grows widens doors at once', () => {
  const grown = (maxConnections: number) => ({
    targets: { [primary]: { budget: 40 } },
    services: { checkout: { maxConnections } },
  });
  const ledger = DrivenLedger.recovered(grown(4));
  for (const id of ['a1', 'a2', 'a3', 'a4']) checkFrom(ledger, id, alice);
  assert.equal(ledger.service().waiters, 2);
  assert.deepEqual(ledger.plan(grown(40)), ['grant a3', 'grant a4']);
});

test('a grant that nobody confirmed, at a database that is gone, leaves the door', () => {
  const ledger = driven();
  for (const id of ['a1', 'a2']) checkFrom(ledger, id, alice);
  ledger.pass(confirmationMs(ledger.settings));
  const other = 'users/primary';
  const endpoints = [{ host: '10.0.0.9', port: 5432 }];
  ledger.plan({ targets: { [other]: { endpoints } }, services: { checkout: { target: other } } });
  assert.equal(ledger.service().doors, 0);
  ledger.pass(confirmationMs(ledger.settings));
  ledger.observed([], { target: other });
  assert.deepEqual(checkFrom(ledger, 'a3', alice), ['grant a3']);
});

test('failures are forgotten in time, and so is the door', () => {
  const ledger = driven();
  for (let i = 1; i <= 4; i += 1) fails(ledger, `m${i}`);
  ledger.pass(60_000);
  assert.equal(ledger.ledger.nextDeadlineMs(), undefined);
  for (let i = 5; i <= 8; i += 1) fails(ledger, `m${i}`);
  assert.deepEqual(checkFrom(ledger, 'm9', mallory), ['grant m9']);
});

test('the doors of strangers are not remembered without end', () => {
  const ledger = driven();
  for (let i = 0; i < 10_050; i += 1) {
    const connection = `x${i}`;
    ledger.ledger.apply(
      { kind: 'check', connection, node: 'n1', service: 'checkout', waitedMs: 0, source: `s${i}` },
      ledger.nowMs,
    );
    ledger.ledger.apply(
      {
        ...{ kind: 'end', connection, node: 'n1', service: 'checkout', evidence: 'server-closed' },
        upstream: { ...address, login: 'failed' },
      } as const,
      ledger.nowMs,
    );
  }
  assert.equal(ledger.ledger.view().services.get('checkout')!.doors, 10_000);
});
