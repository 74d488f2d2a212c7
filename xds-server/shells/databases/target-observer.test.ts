import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LedgerEvent } from '../../pure/ledger/events.js';
import type { Link } from './link.js';
import { TargetObserver } from './target-observer.js';

const facts = {
  version: '10.11',
  listsLogins: true,
  loginTimeoutMs: 10_000,
  namesLogins: false,
  capacity: 100,
};

/** A server whose list is this one; its first session is the observer's own. */
const link = (ids: readonly number[]): Link => ({
  facts,
  ownId: ids[0]!,
  list: async () => ({ sessions: ids.map((serverId) => ({ serverId })) }),
  close: () => {},
});

test('an id that is the observer’s on one server stays a client’s on another', async () => {
  const links = new Map([
    ['10.0.0.6', link([4, 7])],
    ['10.0.0.7', link([7, 9])],
  ]);
  const event = await new Promise<LedgerEvent>((resolve) => {
    const observer = new TargetObserver({
      target: {
        name: 'reports/replica',
        database: 'reports',
        role: 'replica',
        engine: 'mariadb',
        endpoints: [...links.keys()].map((host) => ({ host, port: 3306 })),
        budget: 10,
        reserve: 2,
      },
      login: { user: 'observer', password: () => '' },
      connect: async ({ host }) => links.get(host)!,
      now: () => performance.now(),
      tell: (told) => {
        observer.stop();
        resolve(told);
      },
      connected: () => {},
    });
  });
  assert.ok(event.kind === 'observed');
  assert.deepEqual(
    event.sessions.map(({ serverId }) => serverId),
    [7, 9],
  );
  assert.deepEqual(event.own, [4, 7]);
});
