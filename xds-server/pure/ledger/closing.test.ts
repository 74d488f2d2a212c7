import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import type { PlanSketch } from '../../../test/simulation/sketch.js';
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

test('where logins are not listed, a session that never logged in is waited for as long as that may take behind the queue', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  driven.report('a', { localAddress: '10.1.1.1:4001' });
  driven.end('a', 'proxy-closed', { localAddress: '10.1.1.1:4001' });
  driven.observed([], noLogins);
  assert.equal(driven.target().closing, 1);
  // The moment from the kernel to the server is over: now it may be learnt sooner.
  assert.deepEqual(driven.pass(63_000), [`observe ${primary} and its logins`]);
  driven.observed([], noLogins);
  assert.equal(driven.target().closing, 1);
  assert.deepEqual(driven.pass(2_000), [`observe ${primary}`]);
  driven.observed([], noLogins);
  assert.equal(driven.target().used, 0);
});

/** One that is over and never logged in, and the time after which the server must have been dialled for it. */
function brokenOff(options: Partial<PlanSketch> = {}): { driven: DrivenLedger; arrivedMs: number } {
  const driven = DrivenLedger.recovered({ ...plan, ...options });
  driven.observed([], noLogins);
  driven.check('a');
  driven.end('a', 'proxy-closed', { localAddress: '10.1.1.1:4001' });
  return { driven, arrivedMs: driven.nowMs + driven.settings.marginMs };
}

const hidden = (serverIds: readonly number[], dialledMs: number) => ({
  ...noLogins,
  logins: { serverIds, dialledMs, letInMs: dialledMs + 20 },
});

test('where logins can be asked for, a session that never logged in is over when the queue before the server has passed', () => {
  const { driven, arrivedMs } = brokenOff();
  assert.deepEqual(driven.pass(driven.settings.marginMs), [`observe ${primary} and its logins`]);
  const effect = driven.effects[0];
  assert.ok(effect?.kind === 'observe');
  assert.equal(effect.dialledAfterMs, arrivedMs);
  driven.nowMs = arrivedMs + 1_000;
  // It may have come in just before that connection.
  driven.observed([], hidden([], arrivedMs + 1));
  assert.equal(driven.target().closing, 1);
  driven.nowMs = arrivedMs + 1 + 20 + driven.settings.loginStartMs;
  driven.observed([], hidden([], arrivedMs + 1));
  assert.equal(driven.target().used, 0);
});

test('a connection that was dialled too early proves nothing, however late it is asked', () => {
  const { driven, arrivedMs } = brokenOff();
  driven.pass(30_000);
  assert.deepEqual(driven.observed([], hidden([], arrivedMs)), [`observe ${primary} and its logins`]);
  assert.equal(driven.target().closing, 1);
});

test('while one of those is logging in who were then, a session that never logged in may be that one', () => {
  const { driven, arrivedMs } = brokenOff();
  driven.pass(10_000);
  driven.observed([], hidden([70, 71], arrivedMs + 1));
  assert.equal(driven.target().closing, 1);
  driven.observed([], hidden([71, 72], arrivedMs + 1));
  assert.equal(driven.target().closing, 1);
  // A list that does not say who is logging in proves nothing.
  driven.observed([], noLogins);
  assert.equal(driven.target().closing, 1);
  // Who came later is somebody else.
  driven.observed([], hidden([72], arrivedMs + 1));
  assert.equal(driven.target().used, 0);
});

test('one of those who gets in is counted once with the slot, and the slot stays until it is gone', () => {
  const { driven, arrivedMs } = brokenOff();
  driven.pass(10_000);
  driven.observed([], hidden([70], arrivedMs + 1));
  driven.observed([{ serverId: 70, peer: '10.9.9.9:1' }, { serverId: 71 }], hidden([], arrivedMs + 1));
  assert.deepEqual(driven.target(), { ...driven.target(), closing: 1, unjoined: 1 });
  driven.observed([{ serverId: 71 }], hidden([], arrivedMs + 1));
  assert.equal(driven.target().used, 0);
});

test('behind a proxy nobody knows whom the server has yet to meet: a login is waited for', () => {
  const targets = { [primary]: { proxyProtocol: 'v2' as const } };
  const { driven, arrivedMs } = brokenOff({ targets });
  assert.deepEqual(driven.pass(30_000), []);
  driven.observed([], hidden([], arrivedMs + 1));
  assert.equal(driven.target().closing, 1);
});

test('where people fill the reserve the observer does not dial a second time', () => {
  const driven = DrivenLedger.recovered(plan);
  const full = { ...noLogins, own: [6] };
  driven.observed([{ serverId: 7 }], full);
  driven.check('a');
  driven.end('a', 'proxy-closed', { localAddress: '10.1.1.1:4001' });
  assert.deepEqual(driven.pass(30_000), []);
  assert.deepEqual(driven.observed([{ serverId: 7 }], full), []);
  assert.deepEqual(driven.observed([], full), [`observe ${primary} and its logins`]);
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

test('an unconfirmed grant is freed by the first list after it: what it opened was there a margin before', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  assert.deepEqual(driven.pass(confirmationMs(driven.settings)), [`observe ${primary}`]);
  driven.nowMs += 1;
  driven.observed([]);
  assert.equal(driven.target().used, 0);
});

test('a grant that was taken for unused, reported late and over then, keeps no slot for somebody who was there before it', () => {
  const driven = DrivenLedger.recovered({ services: { checkout: { maxConnections: 2 } } });
  const somebody = [{ serverId: 70, peer: '10.9.9.9:1', user: 'postgres' }];
  driven.observed(somebody);
  driven.check('a');
  driven.pass(confirmationMs(driven.settings));
  driven.nowMs += 1;
  driven.observed(somebody);
  assert.equal(driven.target().used, 0);
  driven.report('a', { localAddress: '10.0.0.9:4000' });
  driven.end('a', 'proxy-closed', { localAddress: '10.0.0.9:4000' });
  driven.pass(2 * driven.settings.marginMs);
  driven.observed(somebody);
  assert.equal(driven.target().used, 0);
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

test('the database is asked at once for the sessions of a node that is cut off; those that live are reported again', () => {
  const driven = DrivenLedger.recovered({ services: { checkout: { maxConnections: 4 } } });
  for (const [name, id] of [
    ['a', 11],
    ['b', 12],
  ] as const)
    driven.open(name, id);
  driven.check('c');
  driven.tell({ kind: 'report', connection: 'other', node: 'n2', service: 'checkout', upstream: {} });
  assert.deepEqual(driven.tell({ kind: 'cut-off', node: 'n1' }), [`observe ${primary}`]);
  assert.deepEqual(driven.target(), { ...driven.target(), granted: 1, closing: 2, sessions: 1, used: 4 });
  driven.observed([{ serverId: 12 }, { serverId: 13 }]);
  assert.deepEqual(driven.target(), { ...driven.target(), granted: 1, closing: 1, sessions: 1, used: 3 });
  driven.report('b', { serverId: 12 });
  assert.deepEqual(driven.target(), { ...driven.target(), closing: 0, sessions: 2, used: 3 });
});

test('where a database is out of the plan nobody is asked: the sessions of a node that is cut off are silent in time', () => {
  const driven = DrivenLedger.recovered({
    targets: { [primary]: { budget: 4 }, 'other/primary': { budget: 4 } },
    services: { checkout: { maxConnections: 2 } },
  });
  driven.open('a', 11);
  driven.plan({
    targets: { 'other/primary': { budget: 4 } },
    services: { checkout: { maxConnections: 2, target: 'other/primary' } },
  });
  driven.tell({ kind: 'cut-off', node: 'n1' });
  assert.equal(driven.service().used, 1);
  driven.pass(driven.settings.silentAfterMs);
  assert.equal(driven.service().used, 0);
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

test('the end of one that a list has shown to be over takes nothing, whoever is there by now: its node has stood still', () => {
  const driven = DrivenLedger.recovered(plan);
  driven.check('a');
  driven.pass(confirmationMs(driven.settings) + driven.settings.marginMs);
  driven.observed([]);
  driven.expectCounted(0, 0);
  driven.pass(60_000);
  const people = [{ serverId: 70, peer: '10.9.9.9:1' }];
  driven.observed(people);
  driven.end('a', 'proxy-closed', { remoteAddress: '10.0.0.5:5432' });
  driven.expectCounted(0, 1);
  // Of another one, of which nothing is known, a session may be left.
  driven.end('b', 'proxy-closed', { remoteAddress: '10.0.0.5:5432' });
  assert.deepEqual(driven.connections, ['b']);
});

test('a login that was seen under way is waited for as long as it may take from then on, whenever it came', () => {
  const driven = DrivenLedger.recovered(plan);
  const loggingIn = (serverIds: readonly number[]): void => {
    const letInMs = driven.nowMs - driven.settings.loginStartMs - 1;
    driven.observed([], { ...noLogins, logins: { serverIds, dialledMs: letInMs, letInMs } });
  };
  driven.check('a');
  driven.report('a', { localAddress: '10.1.1.1:4001' });
  driven.end('a', 'proxy-closed', { localAddress: '10.1.1.1:4001' });
  driven.pass(3_000);
  loggingIn([11]);
  driven.pass(59_000);
  // Its process was late: the server has not had enough of it yet.
  loggingIn([11]);
  assert.equal(driven.target().closing, 1);
  driven.pass(2_000);
  loggingIn([11]);
  assert.equal(driven.target().used, 0);
});
