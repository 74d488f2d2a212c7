/** Nodes tell of logins before they report them: what that is worth, and to whom it is not believed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import type { TargetPlan } from '../plan/plan.js';
import { confirmationMs } from './settings.js';

const remoteAddress = '10.0.0.5:5432';
const own = { localAddress: '10.1.1.1:4001', remoteAddress };
/** Of a session that is behind a link which translates addresses. */
const row = { serverId: 71, peer: '192.0.2.9:30001' };

function recovered(target: Partial<TargetPlan> = {}): DrivenLedger {
  return DrivenLedger.recovered({
    targets: { [primary]: { budget: 4, ...target } },
    services: { checkout: { maxConnections: 4 } },
  });
}

/** Granted with another one, of which nobody hears: its node is gone. When the list shows a row, it may be either's. */
function twoGrantedAndOneLost(): DrivenLedger {
  const driven = recovered();
  driven.check('lost');
  driven.check('young');
  driven.report('young', own);
  driven.pass(confirmationMs(driven.settings));
  driven.observed([row]);
  driven.expectCounted(2, 0);
  return driven;
}

test('a row is no more a lost one’s when its owner by login is reported once more, and that is asked for at once', () => {
  const driven = twoGrantedAndOneLost();
  driven.login('young', 71);
  driven.pass(driven.settings.marginMs + 1);
  driven.observed([row]);
  driven.expectCounted(2, 0);
  assert.deepEqual(driven.report('young', { ...own, serverId: 71 }), [`observe ${primary}`]);
  driven.observed([row]);
  assert.deepEqual(driven.connections, ['young']);
});

test('a login that comes late is no word of a session that is open: its pid may be the lost one’s by now', () => {
  const driven = twoGrantedAndOneLost();
  driven.pass(driven.settings.marginMs + 1);
  driven.login('young', 71);
  driven.observed([row]);
  driven.expectCounted(2, 0);
});

test('a row is his who was granted when all that a lost one can have sent was there, with his login', () => {
  const driven = recovered();
  driven.check('lost');
  driven.pass(confirmationMs(driven.settings) + 1);
  driven.check('later');
  driven.report('later', own);
  driven.observed([row]);
  driven.expectCounted(2, 0);
  assert.deepEqual(driven.login('later', 71), [`observe ${primary}`]);
  driven.observed([row]);
  assert.deepEqual(driven.connections, ['later']);
});

test('a grant that is given again leads no later than it was given first: who had been lost before that may have its pid', () => {
  const driven = recovered();
  driven.check('over');
  driven.check('lost');
  driven.pass(confirmationMs(driven.settings) + 1);
  driven.observed([row]);
  driven.check('over');
  driven.report('over', own);
  driven.login('over', 71);
  driven.observed([row]);
  driven.expectCounted(2, 0);
});

const endpoints = ['10.0.0.5', '10.0.0.6'].map((host) => ({ host, port: 5432 }));
const unordered: readonly [where: string, target: Partial<TargetPlan>][] = [
  ['a proxy stands before the server', { proxyProtocol: 'v2' }],
  ['there are two servers', { endpoints }],
];

for (const [where, target] of unordered)
  test(`it may be the lost one’s, where ${where}`, () => {
    const driven = recovered(target);
    driven.check('lost');
    driven.pass(confirmationMs(driven.settings) + 1);
    driven.check('later');
    driven.report('later', own);
    driven.login('later', 71);
    driven.observed([row]);
    driven.expectCounted(2, 0);
  });

test('a login makes room at its client’s door for the next one', () => {
  const driven = recovered();
  for (const connection of ['a', 'b', 'c']) driven.check(connection, 'checkout', 0, '10.9.9.9');
  assert.deepEqual(driven.connections, ['a', 'b']);
  driven.report('a', own);
  assert.deepEqual(driven.login('a', 71), ['grant c']);
});

test('a login of which nobody has told to which server it leads is waited for again', () => {
  const driven = recovered();
  driven.check('a');
  driven.login('a', 71);
  driven.login('never heard of', 72);
  assert.equal(driven.ledger.session('a')?.serverId, undefined);
  assert.deepEqual(driven.connections, ['a']);
});

test('a login that is told behind the end, or by another node, is not believed', () => {
  const driven = recovered();
  for (const connection of ['over', 'another']) {
    driven.check(connection);
    driven.report(connection, own);
  }
  driven.end('over', 'proxy-closed', own);
  driven.login('over', 71);
  driven.tell({ kind: 'login', connection: 'another', node: 'n2', serverId: 72 });
  assert.deepEqual(
    driven.ledger.view({ sessions: 9 }).sessions.map(({ state, serverId }) => [state, serverId]),
    [
      ['closing', undefined],
      ['session', undefined],
    ],
  );
});

test('of one that is closing a list proves nothing that was asked for before its login was told, where logins are not listed', () => {
  const driven = recovered();
  driven.observed([], { listsLogins: false });
  driven.check('young');
  driven.report('young', own);
  driven.tell({ kind: 'cut-off', node: 'n1' });
  driven.nowMs += 20;
  const askedAtMs = driven.nowMs;
  driven.nowMs += 500;
  driven.login('young', 71);
  driven.observed([], { listsLogins: false, askedAtMs });
  assert.deepEqual(driven.connections, ['young']);
  driven.observed([], { listsLogins: false });
  assert.deepEqual(driven.connections, []);
});
