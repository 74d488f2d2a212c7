import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger } from '../../../test/simulation/driven-ledger.js';

const one = { services: { checkout: { maxConnections: 1 } } };
const other = { node: 'n2', service: 'checkout', upstream: {} } as const;

test('what another node says of a session changes nothing', () => {
  const driven = DrivenLedger.recovered(one);
  driven.open('a', 11);
  driven.check('b');
  const before = driven.ledger.view();
  assert.deepEqual(driven.tell({ kind: 'end', connection: 'a', evidence: 'server-closed', ...other }), []);
  assert.deepEqual(driven.tell({ kind: 'end', connection: 'b', evidence: 'never-opened', ...other }), []);
  assert.deepEqual(
    driven.tell({ kind: 'report', connection: 'a', ...other, upstream: { serverId: 99 } }),
    [],
  );
  assert.deepEqual(driven.tell({ kind: 'report', connection: 'b', ...other }), []);
  assert.deepEqual(driven.ledger.view(), before);
  // Its own node is heard as before.
  assert.deepEqual(driven.end('a', 'server-closed'), ['grant b']);
});

test('a session that only another node speaks of falls silent', () => {
  const driven = DrivenLedger.recovered(one);
  driven.open('a', 11);
  for (let ms = 0; ms <= driven.settings.silentAfterMs; ms += 1_000) {
    driven.pass(1_000);
    driven.tell({ kind: 'report', connection: 'a', ...other });
  }
  assert.equal(driven.target().closing, 1);
});

test('a check of another node’s connection is refused, and whoever waits or has leave keeps it', () => {
  const driven = DrivenLedger.recovered(one);
  driven.check('a');
  driven.check('b');
  for (const connection of ['a', 'b'])
    assert.deepEqual(
      driven.tell({ kind: 'check', connection, node: 'n2', service: 'checkout', waitedMs: 0 }),
      [`refuse ${connection} connection_reused`],
    );
  assert.deepEqual(driven.check('a'), ['grant a']);
  assert.equal(driven.service().waiters, 1);
  assert.equal(driven.ledger.nodeOf('a'), 'n1');
  assert.equal(driven.ledger.nodeOf('c'), undefined);
});
