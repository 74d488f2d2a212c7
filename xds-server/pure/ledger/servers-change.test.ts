/** Plans under which services and servers move between databases, accounts change, and servers are in no plan any more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import type { PlanSketch } from '../../../test/simulation/sketch.js';
import { clusterName } from '../plan/cluster-name.js';
import { confirmationMs, recoveryMs } from './settings.js';

const replica = 'orders/replica';
const a = [{ host: '10.0.0.5', port: 5432 }];
const b = [{ host: '10.0.0.6', port: 5432 }];

test('a session that began under another account stays counted when the service’s account changes', () => {
  const named = (user: string) => ({
    targets: { [primary]: { budget: 1, reserve: 2 } },
    services: { checkout: { maxConnections: 1, allow: [{ user }] } },
  });
  const driven = DrivenLedger.recovered(named('old'));
  driven.open('a', 5);
  driven.plan(named('new'));
  const list = [{ serverId: 5, user: 'old' }];
  driven.observed(list);
  driven.end('a', 'proxy-closed', { serverId: 5 });
  driven.observed(list);
  assert.deepEqual(driven.check('b'), []);
  assert.deepEqual(driven.observed([]), ['grant b']);
});

test('a session counts at its server also when that server gets another role', () => {
  const roles = (first: typeof a, second: typeof a) => ({
    targets: {
      [primary]: { budget: 3, reserve: 3, endpoints: first },
      [replica]: { budget: 3, reserve: 3, endpoints: second },
    },
    services: { checkout: { maxConnections: 3 }, search: { target: replica, maxConnections: 3 } },
  });
  const driven = DrivenLedger.recovered(roles(a, b));
  driven.observed([], { target: replica });
  driven.check('r', 'search');
  driven.report('r', { serverId: 1, remoteAddress: '10.0.0.6:5432' }, 'search');
  driven.plan(roles(b, a));
  assert.equal(driven.target(primary).used, 1);
  assert.equal(driven.target(replica).used, 0);
});

/** Of the only grant of the last step. */
const clusterGranted = ({ effects }: DrivenLedger): string | undefined =>
  effects.flatMap((effect) => (effect.kind === 'grant' ? [effect.cluster] : []))[0];

test('what is under way when a service moves leads to where it is counted, and holds up nobody elsewhere', () => {
  const other = 'users/primary';
  const at = (target: string) => ({
    targets: { [primary]: { endpoints: a }, [other]: { budget: 1, endpoints: b } },
    services: { checkout: { target }, accounts: { target: other } },
  });
  const driven = DrivenLedger.recovered(at(primary));
  driven.check('moved');
  assert.equal(clusterGranted(driven), clusterName('checkout', primary, a, false));
  driven.plan(at(other));
  assert.deepEqual(driven.check('late', 'accounts'), ['grant late']);
  assert.equal(clusterGranted(driven), clusterName('accounts', other, b, false));
  driven.report('moved', { remoteAddress: '10.0.0.5:5432', serverId: 1 });
  assert.equal(driven.target(primary).used, 1);
  assert.equal(driven.target(other).used, 1);
});

test('who waits while his service moves is granted the cluster that it has by then', () => {
  const other = 'users/primary';
  const at = (target: string) => ({
    targets: { [primary]: { budget: 1, endpoints: a }, [other]: { endpoints: b } },
    services: { checkout: { target } },
  });
  const driven = DrivenLedger.recovered(at(primary));
  driven.open('a', 11);
  assert.deepEqual(driven.check('waits'), []);
  assert.deepEqual(driven.plan(at(other)), ['grant waits']);
  assert.equal(clusterGranted(driven), clusterName('checkout', other, b, false));
});

const swapped = (first: typeof a, second: typeof a, budget = 1) => ({
  targets: {
    [primary]: { budget, reserve: 3, endpoints: first },
    [replica]: { budget, reserve: 3, endpoints: second },
  },
  services: { checkout: {}, search: { target: replica } },
});

test('what is under way to a server counts where that server is now', () => {
  const driven = DrivenLedger.recovered(swapped(a, b));
  driven.check('r', 'search');
  driven.plan(swapped(b, a));
  driven.observed([], { target: primary });
  driven.observed([], { target: replica });
  assert.equal(driven.target(primary).used, 1);
  assert.deepEqual(driven.check('late'), []);
  assert.deepEqual(driven.check('soon', 'search'), ['grant soon']);
});

test('a grant whose node has said nothing of it counts where its server is now', () => {
  const driven = DrivenLedger.recovered(swapped(a, b));
  driven.check('r', 'search');
  driven.pass(confirmationMs(driven.settings));
  driven.plan(swapped(b, a));
  assert.equal(driven.target(primary).used, 1);
});

test('a target with a server of another one’s waits for what is under way to one of several', () => {
  const driven = DrivenLedger.recovered(swapped(a, [...b, { host: '10.0.0.7', port: 5432 }], 2));
  driven.check('r', 'search');
  driven.plan(swapped(b, a, 2));
  driven.observed([], { target: primary });
  assert.deepEqual(driven.check('late'), []);
  assert.ok(driven.pass(confirmationMs(driven.settings)).includes(`observe ${primary} and its logins`));
  assert.deepEqual(driven.observed([], { target: primary }), ['grant late']);
});

const accounts = {
  checkout: { allow: [{ user: 'ann' }] },
  search: { target: replica, allow: [{ user: 'sam' }] },
};

test('a session at a server that changes hands is known there by its account', () => {
  const driven = DrivenLedger.recovered({ ...swapped(a, b), services: accounts });
  driven.check('r', 'search');
  driven.report('r', { remoteAddress: '10.0.0.6:5432', serverId: 5 }, 'search');
  driven.plan({ ...swapped(b, a), services: accounts });
  driven.observed([{ serverId: 5, user: 'sam' }], { target: primary });
  const { used, sessions, unjoined } = driven.target(primary);
  assert.deepEqual({ used, sessions, unjoined }, { used: 1, sessions: 1, unjoined: 0 });
});

test('a session that is first heard of at another database than its service has now is known by its id', () => {
  const driven = DrivenLedger.recovered({ ...swapped(a, b, 2), services: accounts });
  driven.report('r', { remoteAddress: '10.0.0.5:5432', serverId: 5 }, 'search');
  driven.observed([{ serverId: 5, user: 'sam' }], { target: primary });
  const { used, sessions, unjoined } = driven.target(primary);
  assert.deepEqual({ used, sessions, unjoined }, { used: 1, sessions: 1, unjoined: 0 });
});

test('a service that is gone with its database stays for a session that is at another one, and counts no more of its rows', () => {
  const driven = DrivenLedger.recovered({ ...swapped(a, b, 3), services: accounts });
  driven.check('r', 'search');
  driven.report('r', { remoteAddress: '10.0.0.6:5432', serverId: 5 }, 'search');
  driven.plan({ ...swapped(b, a, 3), services: accounts });
  driven.observed([{ serverId: 7, user: 'sam' }], { target: replica });
  driven.plan({
    targets: { [primary]: { endpoints: b } },
    services: { checkout: accounts.checkout },
  });
  driven.plan({
    targets: { [primary]: { endpoints: b, budget: 4 } },
    services: { checkout: accounts.checkout },
  });
  assert.equal(driven.service('search').used, 1);
});

/** The session that closes, and one of another service which the list of its target cannot show. */
const closesBeside = (given: { readonly closing: string; readonly beside: string }, endpoints = a) => {
  const driven = DrivenLedger.recovered({
    targets: { [primary]: { endpoints } },
    services: { checkout: {}, search: {} },
  });
  const list = [{ serverId: 5, peer: '192.0.2.1:9' }];
  driven.check('ends');
  driven.report('ends', { remoteAddress: given.closing, serverId: 5 });
  driven.observed(list);
  driven.end('ends', 'proxy-closed');
  driven.pass(2 * driven.settings.marginMs);
  for (let report = 1; report <= 2; report++) {
    driven.report('beside', { remoteAddress: given.beside, serverId: 5 }, 'search');
    driven.pass(driven.settings.marginMs + 1);
  }
  driven.observed(list);
  return driven;
};

test('a session at a server that no plan names does not prove by its id that another one of its target is over', () => {
  const driven = closesBeside({ closing: '10.0.0.5:5432', beside: '10.0.0.7:5432' });
  assert.equal(driven.service().closing, 1);
  driven.observed([]);
  assert.equal(driven.service().closing, 0);
});

test('nor does one at another server of the same target', () => {
  const both = { closing: '10.0.0.5:5432', beside: '10.0.0.6:5432' };
  assert.equal(closesBeside(both, [...a, ...b]).service().closing, 1);
  // As seen by nodes, where the spec has a name.
  const named = [{ host: 'db.example.com', port: 5432 }];
  assert.equal(closesBeside(both, named).service().closing, 1);
  const one = { closing: '10.0.0.5:5432', beside: '10.0.0.5:5432' };
  assert.equal(closesBeside(one, named).service().closing, 0);
});

test('a session at a server that no plan names is not taken for one whose id is not known', () => {
  const driven = DrivenLedger.recovered({ services: { checkout: {}, search: {} } });
  const list = [{ serverId: 5, peer: '192.0.2.1:9' }];
  driven.check('unheard');
  driven.observed(list);
  driven.pass(confirmationMs(driven.settings));
  driven.report('beside', { remoteAddress: '10.0.0.7:5432', serverId: 5 }, 'search');
  driven.pass(2 * driven.settings.marginMs);
  driven.observed(list);
  assert.equal(driven.service().closing, 1);
});

test('a session that ends at a server that no plan names takes no row of its target along', () => {
  const driven = DrivenLedger.recovered({ services: { checkout: {} } });
  driven.observed([{ serverId: 5, peer: '192.0.2.1:9' }]);
  driven.report('beside', { remoteAddress: '10.0.0.7:5432', serverId: 5 });
  driven.end('beside', 'server-closed');
  const { used, unjoined } = driven.target();
  assert.deepEqual({ used, unjoined }, { used: 0, unjoined: 1 });
});

test('where two databases exchange their servers, nobody is taken for who had his pid and address at the other one', () => {
  const users = 'users/primary';
  const at = (first: string, second: string) => ({
    targets: {
      [primary]: { endpoints: [{ host: first, port: 5432 }] },
      [users]: { endpoints: [{ host: second, port: 5432 }] },
    },
    services: { checkout: { target: users } },
  });
  const row = { serverId: 11, peer: '10.1.1.1:4001' };
  const driven = DrivenLedger.recovered(at('10.0.0.5', '10.0.0.6'));
  driven.observed([row]);
  driven.check('a');
  const upstream = { localAddress: '10.1.1.1:4001', remoteAddress: '10.0.0.6:5432' };
  driven.report('a', upstream);
  driven.end('a', 'proxy-closed', upstream);
  driven.plan(at('10.0.0.6', '10.0.0.5'));
  driven.pass(driven.settings.marginMs);
  driven.observed([row]);
  assert.deepEqual(driven.connections, ['a']);
});

const at = (...hosts: number[]) => hosts.map((n) => ({ host: `10.0.0.${n}`, port: 5432 }));

for (const isOver of [false, true])
  test(`what a ${isOver ? 'lost' : 'new'} grant may have opened counts at the target that its server is of by now`, () => {
    const moved = (primaries: number[], replicas: number[]): PlanSketch => ({
      targets: {
        [primary]: { budget: 4, reserve: 3, endpoints: at(...primaries) },
        [replica]: { budget: 4, reserve: 3, endpoints: at(...replicas) },
      },
      services: {
        checkout: { maxConnections: 4, allow: [{ user: 'ann' }] },
        reading: { target: replica, maxConnections: 4, allow: [{ user: 'bob' }] },
      },
    });
    const row = { serverId: 71, peer: '192.0.2.9:1', user: 'ann' };
    const driven = DrivenLedger.recovered(moved([5, 6], [7]));
    driven.check('lost');
    if (isOver) {
      driven.pass(confirmationMs(driven.settings) + 1);
      driven.observed([row]);
    }
    driven.plan(moved([5], [7, 6]));
    driven.pass(recoveryMs(driven.settings) + confirmationMs(driven.settings));
    driven.observed([row], { target: replica });
    driven.observed([]);
    driven.observed([]);
    driven.observed([row], { target: replica });
    assert.deepEqual(driven.connections, []);
    assert.equal(driven.target(replica).free, 3);
  });
