import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger, primary } from '../../../test/simulation/driven-ledger.js';
import { clusterName } from '../plan/cluster-name.js';
import { confirmationMs } from './settings.js';

const one = { services: { checkout: { maxConnections: 1 } } };
const two = { services: { checkout: { maxConnections: 2 } } };

test('a client that comes while there is a slot is granted at once, with the ttl of the settings', () => {
  const driven = DrivenLedger.recovered(one);
  assert.deepEqual(driven.check('a', 'checkout', 7), ['grant a']);
  assert.deepEqual(driven.effects, [
    {
      kind: 'grant',
      connection: 'a',
      service: 'checkout',
      cluster: clusterName('checkout', primary, [{ host: '10.0.0.5', port: 5432 }], false),
      ttlMs: driven.settings.grantTtlMs,
      waitedMs: 7,
    },
  ]);
  assert.equal(driven.service().granted, 1);
});

test('a client that comes while there is none waits, and gets the slot when it becomes free', () => {
  const driven = DrivenLedger.recovered(one);
  driven.open('a', 11);
  assert.deepEqual(driven.check('b'), []);
  driven.nowMs += 250;
  assert.deepEqual(driven.end('a', 'server-closed', { serverId: 11 }), ['grant b']);
  assert.equal(driven.effects[0]?.kind === 'grant' && driven.effects[0].waitedMs, 250);
});

test('a slot goes from granted over session to free, and is counted as one all the time', () => {
  const driven = DrivenLedger.recovered(two);
  driven.check('a');
  assert.deepEqual(driven.target(), { ...driven.target(), used: 1, granted: 1, sessions: 0, free: 9 });
  driven.report('a', { serverId: 11 });
  assert.deepEqual(driven.target(), { ...driven.target(), used: 1, granted: 0, sessions: 1, free: 9 });
  driven.end('a', 'server-closed');
  assert.deepEqual(driven.target(), { ...driven.target(), used: 0, sessions: 0, closing: 0, free: 10 });
});

test('an end that the server closed, or before anything was opened, frees the slot without asking', () => {
  const driven = DrivenLedger.recovered(one);
  driven.open('a', 11);
  assert.deepEqual(driven.end('a', 'server-closed'), []);
  assert.equal(driven.target().used, 0);
  driven.check('b');
  assert.deepEqual(driven.end('b', 'never-opened', {}, undefined), []);
  assert.equal(driven.target().used, 0);
});

test('an end that the node closed keeps the slot and asks for the session list', () => {
  const driven = DrivenLedger.recovered(one);
  driven.open('a', 11);
  assert.deepEqual(driven.end('a', 'proxy-closed', { serverId: 11 }), [`observe ${primary}`]);
  assert.equal(driven.target().closing, 1);
});

test('an end "before anything was opened" of a connection that was reported open is not believed', () => {
  const driven = DrivenLedger.recovered(one);
  driven.open('a', 11);
  assert.deepEqual(driven.end('a', 'never-opened'), [`observe ${primary}`]);
  assert.equal(driven.target().closing, 1);
});

test('the news that the server closed frees a slot that was closing already', () => {
  const driven = DrivenLedger.recovered(one);
  driven.open('a', 11);
  driven.end('a', 'proxy-closed');
  driven.end('a', 'server-closed');
  assert.equal(driven.target().used, 0);
});

test('reports and ends that come again, or too late, change nothing', () => {
  const driven = DrivenLedger.recovered(two);
  driven.open('a', 11);
  driven.report('a', { serverId: 11 });
  driven.end('a', 'server-closed');
  driven.report('a', { serverId: 11 });
  driven.end('a', 'proxy-closed', { serverId: 11 });
  assert.equal(driven.target().used, 0);

  driven.open('b', 12);
  driven.end('b', 'proxy-closed');
  driven.report('b', { serverId: 12 });
  assert.deepEqual(
    driven.ledger.view({ sessions: 9 }).sessions.map(({ state }) => state),
    ['closing'],
  );
});

test('a repeated check of a waiter keeps its place and its one deadline', () => {
  const driven = DrivenLedger.recovered(one);
  driven.open('a', 11);
  driven.check('b');
  driven.nowMs += 100;
  driven.check('c');
  driven.nowMs += 100;
  assert.deepEqual(driven.check('b', 'checkout', 200), []);
  assert.equal(driven.service().waiters, 2);
  assert.deepEqual(driven.end('a', 'server-closed'), ['grant b']);
});

test('a check that comes again after a cancel finds its place by how long it has waited', () => {
  const driven = DrivenLedger.recovered(one);
  driven.open('a', 11);
  driven.check('b');
  driven.nowMs += 100;
  driven.check('c');
  driven.cancel('b');
  driven.nowMs += 100;
  driven.check('b', 'checkout', 200);
  assert.deepEqual(driven.end('a', 'server-closed'), ['grant b']);
});

test('a repeated check of a grant that was not used gives the same slot with a fresh ttl', () => {
  const driven = DrivenLedger.recovered(one);
  driven.check('a');
  driven.pass(confirmationMs(driven.settings) - 1);
  assert.deepEqual(driven.check('a', 'checkout', 3_000), ['grant a']);
  assert.equal(driven.target().used, 1);
  driven.pass(confirmationMs(driven.settings) - 1);
  assert.equal(driven.target().granted, 1);
});

test('a check of a grant that ran out unused gives its slot again', () => {
  const driven = DrivenLedger.recovered(one);
  driven.check('a');
  driven.pass(confirmationMs(driven.settings));
  assert.equal(driven.target().closing, 1);
  assert.deepEqual(driven.check('a', 'checkout', 4_000), ['grant a']);
  assert.deepEqual(driven.target(), { ...driven.target(), used: 1, granted: 1, closing: 0 });
});

test('a check for a connection that is open or over is refused: its node has had its answer', () => {
  const driven = DrivenLedger.recovered(two);
  driven.open('a', 11);
  assert.deepEqual(driven.check('a'), ['refuse a connection_reused']);
  driven.end('a', 'proxy-closed');
  assert.deepEqual(driven.check('a'), ['refuse a connection_reused']);
  driven.check('b');
  driven.end('b', 'never-opened');
  assert.deepEqual(driven.check('b'), ['refuse b connection_reused']);
  assert.equal(driven.target().used, 1);
});

test('a client that was refused is judged anew when it asks again', () => {
  const driven = DrivenLedger.recovered({ services: { checkout: { maxConnections: 1, maxQueue: 0 } } });
  driven.open('a', 11);
  assert.deepEqual(driven.check('b'), ['refuse b service_limit']);
  driven.end('a', 'server-closed');
  assert.deepEqual(driven.check('b'), ['grant b']);
});

test('a waiter that leaves, by cancel or end, is forgotten and gets nothing', () => {
  const driven = DrivenLedger.recovered(one);
  driven.open('a', 11);
  driven.check('b');
  driven.check('c');
  assert.deepEqual(driven.cancel('b'), []);
  assert.deepEqual(driven.end('c', 'never-opened'), []);
  assert.equal(driven.service().waiters, 0);
  assert.deepEqual(driven.end('a', 'server-closed'), []);
});

test('a cancel after the grant changes nothing: the node may have it already', () => {
  const driven = DrivenLedger.recovered(one);
  driven.check('a');
  driven.cancel('a');
  assert.equal(driven.target().granted, 1);
});

test('a connection that some ledger before granted is counted from its first report on', () => {
  const driven = DrivenLedger.recovered(one);
  driven.report('old', { serverId: 5 });
  assert.deepEqual(driven.check('a'), []);
  assert.equal(driven.service().sessions, 1);
  assert.deepEqual(driven.end('old', 'server-closed'), ['grant a']);
});

test('the same events give the same effects', () => {
  const run = (): unknown[] => {
    const driven = DrivenLedger.recovered(one);
    const all: unknown[] = [];
    for (const step of [
      () => driven.check('a'),
      () => driven.check('b'),
      () => driven.report('a', { localAddress: '10.1.1.1:4' }),
      () => driven.end('a', 'proxy-closed'),
      () => driven.observed([]),
      () => driven.pass(9_000),
    ]) {
      step();
      all.push(driven.effects, driven.ledger.view({ sessions: 9, waiters: 9 }));
    }
    return all;
  };
  assert.deepEqual(run(), run());
});

test('a clock that goes back does not move a deadline', () => {
  const driven = DrivenLedger.recovered(one);
  driven.open('a', 11);
  driven.check('b');
  const due = driven.ledger.nextDeadlineMs();
  driven.nowMs -= 500;
  driven.check('c');
  assert.equal(driven.ledger.nextDeadlineMs(), due);
});

test('a wait that is no number counts as none', () => {
  const driven = DrivenLedger.recovered(one);
  driven.open('a', 11);
  driven.check('b', 'checkout', Number.NaN);
  driven.check('c', 'checkout', -5);
  assert.equal(driven.ledger.nextDeadlineMs(), driven.nowMs + 5_000);
  assert.equal(driven.service().longestWaitMs, 0);
});

test('a check that lay in a socket, and was sent before the one that was answered, moves nothing', () => {
  const driven = DrivenLedger.recovered({ services: { checkout: { maxConnections: 2 } } });
  const check = { kind: 'check', connection: 'a', node: 'n1', service: 'checkout', waitedMs: 0 } as const;
  assert.deepEqual(driven.tell({ ...check, sentMs: 20 }), ['grant a']);
  assert.deepEqual(driven.tell({ ...check, sentMs: 10 }), ['refuse a connection_reused']);
  assert.equal(driven.target().used, 1);
  assert.deepEqual(driven.tell({ ...check, sentMs: 20 }), ['grant a']);
  assert.deepEqual(driven.tell({ ...check, sentMs: 30 }), ['grant a']);
  assert.equal(driven.target().used, 1);
});
