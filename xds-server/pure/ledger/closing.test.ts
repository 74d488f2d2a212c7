import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import { confirmationMs } from './settings.js';

const plan = { services: { checkout: { maxConnections: 2 } } };
const noLogins = { listsLogins: false, loginTimeoutMs: 60_000 };

test('a closing slot is freed by a list that was asked for afterwards and does not show it', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  driven.end('a', 'proxy-closed');
  driven.observed([]);
  assert.equal(driven.target().used, 0);
});

test('a list that was asked for before the end frees nothing, however late it comes', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  driven.nowMs += 10;
  const askedAtMs = driven.nowMs;
  driven.nowMs += 10;
  driven.end('a', 'proxy-closed');
  driven.nowMs += 10;
  driven.observed([], { askedAtMs });
  assert.equal(driven.target().closing, 1);
});

test('a closing slot that the list shows stays, and the list is wanted again', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  driven.end('a', 'proxy-closed');
  assert.deepEqual(driven.observed([{ serverId: 11 }]), [`observe ${primary}`]);
  assert.deepEqual(driven.observed([{ serverId: 11 }]), [`observe ${primary}`]);
  assert.equal(driven.target().closing, 1);
  assert.deepEqual(driven.observed([]), []);
  assert.equal(driven.target().used, 0);
});

test('lists are taken in the order in which they were asked for', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  driven.end('a', 'proxy-closed');
  const askedAtMs = driven.nowMs + 5;
  driven.nowMs += 20;
  driven.observed([{ serverId: 11 }]);
  driven.observed([], { askedAtMs });
  assert.equal(driven.target().closing, 1);
});

test('where logins are not listed, a session that never logged in is waited for as long as a login may take', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  driven.report('a', { localAddress: '10.1.1.1:4001' });
  driven.end('a', 'proxy-closed', { localAddress: '10.1.1.1:4001' });
  driven.observed([], noLogins);
  assert.equal(driven.target().closing, 1);
  assert.deepEqual(driven.pass(58_000), []);
  driven.observed([], noLogins);
  assert.equal(driven.target().closing, 1);
  assert.deepEqual(driven.pass(2_000), [`observe ${primary}`]);
  driven.observed([], noLogins);
  assert.equal(driven.target().used, 0);
});

test('where logins are not listed, one that had logged in is freed by the first list without it', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  driven.end('a', 'proxy-closed');
  driven.observed([], noLogins);
  assert.equal(driven.target().used, 0);
});

test('where logins are listed, one that was never seen is given the moment from the kernel to the server', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  driven.end('a', 'proxy-closed', { localAddress: '10.1.1.1:4001' });
  driven.observed([]);
  assert.equal(driven.target().closing, 1);
  assert.deepEqual(driven.pass(driven.settings.marginMs), [`observe ${primary}`]);
  driven.observed([]);
  assert.equal(driven.target().used, 0);
});

test('a grant that nobody confirms becomes closing when it can no longer be used', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  assert.deepEqual(driven.pass(confirmationMs(driven.settings) - 1), []);
  assert.equal(driven.target().granted, 1);
  assert.deepEqual(driven.pass(1), [`observe ${primary}`]);
  assert.equal(driven.target().closing, 1);
});

test('an unconfirmed grant is freed when no session is left that could be its own', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.observed([{ serverId: 70, peer: '10.9.9.9:1' }]);
  driven.check('a');
  driven.pass(confirmationMs(driven.settings) + driven.settings.marginMs);
  // One that was there before the grant is not its own.
  driven.observed([{ serverId: 70, peer: '10.9.9.9:1' }]);
  assert.equal(driven.target().used, 0);
});

test('an unconfirmed grant stays while a session is there that may be its own, and counts once with it', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  driven.pass(confirmationMs(driven.settings) + driven.settings.marginMs);
  driven.observed([{ serverId: 70, peer: '10.9.9.9:1' }]);
  assert.deepEqual(driven.target(), { ...driven.target(), closing: 1, unjoined: 0, free: 9 });
  driven.observed([]);
  assert.deepEqual(driven.target(), { ...driven.target(), closing: 0, free: 10 });
});

test('an unconfirmed grant that is reported after all is a session again', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  driven.pass(confirmationMs(driven.settings));
  driven.report('a', { serverId: 11 });
  assert.deepEqual(driven.target(), { ...driven.target(), closing: 0, sessions: 1, used: 1 });
});

test('a session that its node no longer reports is neither freed nor forgotten: the list decides', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  assert.deepEqual(driven.pass(driven.settings.silentAfterMs - 1), []);
  assert.deepEqual(driven.pass(1), [`observe ${primary}`]);
  assert.equal(driven.target().closing, 1);
  driven.observed([{ serverId: 11 }]);
  assert.equal(driven.target().closing, 1);
  driven.observed([]);
  assert.equal(driven.target().used, 0);
});

test('a silent session that is reported again is a session again', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  driven.pass(driven.settings.silentAfterMs);
  driven.report('a', { serverId: 11 });
  assert.deepEqual(driven.target(), { ...driven.target(), closing: 0, sessions: 1, used: 1 });
});

test('reports keep a session from being silent', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  for (let i = 0; i < 10; i++) {
    driven.pass(driven.settings.reportIntervalMs);
    driven.report('a', { serverId: 11 });
  }
  assert.equal(driven.target().sessions, 1);
});

test('while the database cannot be asked closing slots stay, what is free is given, and the view says why', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  driven.end('a', 'proxy-closed');
  driven.tell({ kind: 'unobserved', target: primary, problem: 'no answer' });
  driven.pass(120_000);
  assert.deepEqual(driven.check('b'), ['grant b']);
  assert.deepEqual(driven.check('c'), []);
  assert.equal(driven.target().problem, 'no answer');
  assert.deepEqual(driven.observed([]), ['grant c']);
  assert.equal(driven.target().problem, undefined);
});

test('an open session that two lists in turn do not show is over, whatever has become of its node', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.open('a', 11);
  assert.deepEqual(driven.observed([]), [`observe ${primary}`]);
  assert.equal(driven.target().closing, 1);
  driven.observed([]);
  assert.equal(driven.target().used, 0);
});

test('an open session whose id came after the question is not missed in the answer', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  const askedAtMs = driven.nowMs;
  driven.nowMs += 5;
  driven.report('a', { serverId: 11 });
  driven.observed([], { askedAtMs });
  driven.observed([{ serverId: 11 }]);
  assert.equal(driven.target().closing, 0);
  assert.equal(driven.target().used, 1);
});
