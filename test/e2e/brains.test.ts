/** Several brains, of which one decides: whatever node and brain a client comes by, there is one budget, and no brain is missed. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Brain } from '../harness/brain.js';
import { stopEverything } from '../harness/ending.js';
import { Envoy } from '../harness/envoy.js';
import { peakWhile } from '../harness/peak.js';
import type { Postgres } from '../harness/postgres.js';
import { observer, type Protected } from '../harness/protected-database.js';
import { RawClient } from '../harness/raw-client.js';
import { edgeOf, severalBrains } from '../harness/several-brains.js';
import type { Sluice } from '../harness/sluice.js';
import { sluiceCommand } from '../harness/sluice-command.js';
import { waitUntil } from '../harness/wait-until.js';
import { cancelRequest, keyOf } from './cancel-request.js';
import { postgresSession, visitOf } from './sessions.js';

const ann = { user: 'ann', password: 'correct horse', database: 'orders' };
const budget = 6;
const long = { timeout: 180_000 };

let store: string;
let orders: Protected<Postgres>;
let sluice: Sluice;
let brains: readonly Brain[];
/** Each knows all brains. */
let edge: Envoy;

before(async () => {
  ({ store, orders, sluice, brains } = await severalBrains({
    count: 3,
    budget,
    account: ann,
    services: {
      checkout: { database: 'orders', max_connections: budget, max_queue: 500, timeout_ms: 60_000 },
      hasty: { database: 'orders', max_connections: budget, max_queue: 500, timeout_ms: 1_500 },
    },
  }));
});

after(stopEverything);

const roleOf = async (brain: Brain) => (await brain.status()).leadership.role;

async function leaderOf(): Promise<Brain> {
  return waitUntil('a brain leads', async () => {
    for (const brain of brains)
      if (
        await roleOf(brain).then(
          (role) => role === 'leader',
          () => false,
        )
      )
        return brain;
    return undefined;
  });
}

async function follower(): Promise<Brain> {
  const leader = await leaderOf();
  return brains.find((brain) => brain !== leader)!;
}

const visit = () => visitOf(sluice, 'checkout', ann);

test('a client of a node that only a follower serves is admitted within the one budget', long, async () => {
  const held = await postgresSession(sluice, 'checkout', ann);
  const other = await follower();
  const only = await Envoy.start({ node: 'edge-2', xds: other.xds, channel: other.channel });
  await only.waitForListener('pg');
  // Both would take it (SO_REUSEPORT), so the first stops listening.
  await sluice.envoy.stopListening();
  const fates = await Promise.all(Array.from({ length: 4 * budget }, visit));
  assert.deepEqual(new Set(fates.map(({ served }) => served)), new Set([true]));
  assert.ok((await only.stat('listener.sluice_pg.downstream_cx_total')) >= 4 * budget);
  const leader = await leaderOf();
  await leader.waitForTaken('checkout', 1);
  const { rows } = await leader.sessions();
  assert.deepEqual(
    rows.map(({ node, state }) => [node, state]),
    [['edge-1', 'active']],
  );
  assert.equal(orders.server.hasSaidTooMany, false);
  await held.end();
  await cancelled();
  await Promise.all([only.stop(), sluice.envoy.stop()]);
  edge = await edgeOf(brains, 'edge-3');
});

/** By the only node that listens: the brain that it asks passes the question on. */
async function cancelled(): Promise<void> {
  const session = await postgresSession(sluice, 'checkout', ann);
  const sleeping = session.query('SELECT pg_sleep(60)');
  const client = await RawClient.connect({ host: sluice.host, port: sluice.ports.pg });
  await client.send(cancelRequest(keyOf(session)));
  await assert.rejects(sleeping, { code: '57014' });
  await session.end();
}

test(
  'a spec that is applied is in force on all brains, and on a node by whichever of them',
  long,
  async () => {
    sluice.file.spec.services!.hasty!.max_connections = 5;
    sluice.file.save();
    const applied = await sluiceCommand('apply', sluice.file.path, '--store', store);
    assert.equal(applied.code, 0, applied.stdout);
    await waitUntil('the node has it', async () => (await edge.limitOf('hasty')) === '5');
    await waitUntil('all brains go by it', async () => {
      const specs = await Promise.all(brains.map(async (brain) => (await brain.status()).spec.version));
      return new Set(specs).size === 1;
    });
  },
);

async function flooded(fault: () => Promise<void>): Promise<void> {
  const started = performance.now();
  let faultMs = Number.POSITIVE_INFINITY;
  let againMs: number | undefined;
  const visits = Array.from({ length: 60 }, async () => {
    const fate = await visit();
    if (performance.now() > faultMs + 300) againMs ??= performance.now() - faultMs;
    return fate;
  });
  await waitUntil('clients are served and clients wait', async () => performance.now() - started > 600);
  faultMs = performance.now();
  await fault();
  const late = Array.from({ length: 20 }, visit);
  // There is room in the database while the observers have no second connection, so its sessions are counted.
  const { result: fates, peak } = await peakWhile(
    () => orders.server.count(undefined, [observer]),
    () => Promise.all([...visits, ...late]),
  );
  assert.deepEqual(
    fates.filter(({ served }) => !served),
    [],
  );
  assert.ok(peak <= budget, `${peak} sessions`);
  assert.equal(orders.server.hasSaidTooMany, false, orders.server.log);
  assert.ok(againMs !== undefined && againMs < 8_000, `served again after ${againMs} ms`);
}

test(
  'the leader is killed in mid-flood: all who wait are served, the database never counts more',
  long,
  async () => {
    const leader = await leaderOf();
    await flooded(() => leader.kill());
    await leader.startAgain();
  },
);

test('a follower is killed in mid-flood: all who wait are served', long, async () => {
  const other = await follower();
  await flooded(() => other.kill());
  await other.startAgain();
});

test(
  'the leader stands still in mid-flood: another leads, all are served, and it grants nothing when it goes on',
  long,
  async () => {
    const leader = await leaderOf();
    const before = (await leader.status()).leadership.term!;
    await flooded(async () => leader.signal('SIGSTOP'));
    leader.signal('SIGCONT');
    await waitUntil('it follows', async () => (await roleOf(leader)) === 'follower');
    const { term } = (await (await leaderOf()).status()).leadership;
    assert.ok(term! > before);
    assert.equal(await orders.server.count(undefined, [observer]), 0);
  },
);
