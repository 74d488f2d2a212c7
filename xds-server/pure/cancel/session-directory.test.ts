import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SessionDirectory, type SessionReport } from './session-directory.js';

const forgetMs = 1000;

function report(changes: Partial<SessionReport> = {}): SessionReport {
  return {
    connection: 'a',
    node: 'edge-1',
    service: 'checkout',
    frontId: undefined,
    serverId: 7,
    cancelDigest: 'd',
    server: '10.0.0.5:5432',
    ...changes,
  };
}

test('a Postgres session is found by its process id once it has been reported, until it ends', () => {
  const directory = new SessionDirectory(forgetMs);
  directory.granted({ connection: 'a', node: 'edge-1', service: 'checkout', frontId: undefined }, 0);
  assert.deepEqual(directory.byServerId(7), []);
  directory.reported(report(), 1);
  assert.deepEqual(directory.byServerId(7), [{ ...report(), seenMs: 1 }]);
  directory.ended('a', 'edge-1');
  assert.deepEqual(directory.byServerId(7), []);
  assert.equal(directory.size, 0);
});

test('a session that has logged in is found before its next report, and a report from before the login takes nothing back', () => {
  const directory = new SessionDirectory(forgetMs);
  const beforeLogin = report({ serverId: undefined, cancelDigest: undefined });
  const login = { connection: 'a', node: 'edge-1', serverId: 7, frontId: undefined, cancelDigest: 'd' };
  directory.loggedIn(login, 0);
  assert.deepEqual(directory.byServerId(7), []);
  directory.reported(beforeLogin, 1);
  directory.loggedIn({ ...login, node: 'edge-2', serverId: 8 }, 2);
  directory.loggedIn(login, 3);
  directory.reported(beforeLogin, 4);
  assert.deepEqual(directory.byServerId(7), [{ ...report(), seenMs: 4 }]);
  assert.deepEqual(directory.byServerId(8), []);
});

test('a MySQL session is found by the front’s id from its grant on, and by that alone', () => {
  const directory = new SessionDirectory(forgetMs);
  directory.granted({ connection: 'a', node: 'edge-1', service: 'reports', frontId: 4_000_000_000 }, 0);
  assert.equal(directory.byFrontId(4_000_000_000)[0]?.serverId, undefined);
  directory.reported(report({ frontId: 4_000_000_000 }), 1);
  assert.equal(directory.byFrontId(4_000_000_000)[0]?.serverId, 7);
  assert.deepEqual(directory.byServerId(7), []);
});

test('sessions with one number on several servers are all found', () => {
  const directory = new SessionDirectory(forgetMs);
  for (const connection of ['a', 'b', 'c']) directory.reported(report({ connection }), 0);
  directory.ended('b', 'edge-1');
  assert.deepEqual(
    directory.byServerId(7).map(({ connection }) => connection),
    ['a', 'c'],
  );
});

test('of ever more sessions with one number 64 are found by it, and one more when there is room at its next report', () => {
  for (const frontId of [undefined, 4_000_000_000]) {
    const directory = new SessionDirectory(forgetMs);
    const found = () => (frontId === undefined ? directory.byServerId(7) : directory.byFrontId(frontId));
    const connections = Array.from({ length: 100 }, (_, n) => `session ${n}`);
    for (const connection of connections) directory.reported(report({ connection, frontId }), 0);
    assert.deepEqual(
      found().map(({ connection }) => connection),
      connections.slice(0, 64),
    );
    directory.ended('session 98', 'edge-1');
    directory.reported(report({ connection: 'session 99', frontId }), 1);
    assert.equal(found().at(-1)?.connection, 'session 63');
    directory.ended('session 0', 'edge-1');
    directory.reported(report({ connection: 'session 99', frontId }), 2);
    assert.deepEqual([found().length, found().at(-1)?.connection], [64, 'session 99']);
  }
});

test('a session that is not heard of any more is forgotten', () => {
  const directory = new SessionDirectory(forgetMs);
  directory.reported(report(), 0);
  directory.reported(report({ connection: 'b', serverId: 8 }), 0);
  directory.reported(report(), forgetMs - 1);
  directory.reported(report({ connection: 'c', serverId: 9 }), forgetMs);
  assert.deepEqual(
    [7, 8, 9].map((id) => directory.byServerId(id).length),
    [1, 0, 1],
  );
});

test('what another node says of a session changes nothing', () => {
  const directory = new SessionDirectory(forgetMs);
  directory.reported(report(), 0);
  directory.reported(report({ node: 'edge-2', cancelDigest: 'forged', server: '10.6.6.6:5432' }), 1);
  directory.ended('a', 'edge-2');
  assert.deepEqual(directory.byServerId(7), [{ ...report(), seenMs: 0 }]);
});
