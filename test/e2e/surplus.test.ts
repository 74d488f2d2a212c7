/**
 * A limit that shrinks below what is in use, where the service lets idle sessions end for it (`idle.surplus_ms`): those that have
 * been idle for longest go, as many as are too many, a few at a time, and nobody who works or is in a transaction.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Connection } from 'mysql2/promise';
import type pg from 'pg';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { observer, type Protected } from '../harness/protected-database.js';
import type { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { ann, annOfReports, ordersAndReports } from './orders-and-reports.js';
import { backendOf, mysqlSession, postgresSession } from './sessions.js';

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

const surplus_ms = 500;
const patient = { timeout_ms: 60_000 };

before(async () => {
  ({ orders, reports, sluice } = await ordersAndReports({
    budgets: { orders: 30, reports: 10 },
    services: {
      checkout: { database: 'orders', max_connections: 28, ...patient, idle: { surplus_ms } },
      billing: { database: 'orders', max_connections: 4, ...patient },
      dashboard: { database: 'reports', max_connections: 8, ...patient, idle: { surplus_ms } },
    },
  }));
});

after(stopEverything);

const shrink = (service: string, limit: number) =>
  sluice.change((spec) => {
    spec.services![service]!.max_connections = limit;
  });

/** What a client that rests has read unasked, once it has. */
interface Words {
  said?: { readonly code?: string; readonly message: string };
  saidMs?: number;
}

function wordsOf(client: { on(event: 'error', listener: (error: Error) => void): unknown }): Words {
  const words: Words = {};
  client.on('error', (error) => {
    words.said ??= error;
    words.saidMs ??= performance.now();
  });
  return words;
}

const cut = (service: string) =>
  sluice.brain.metrics().then((text) =>
    text
      .split('\n')
      .filter((line) => line.startsWith('sluice_sessions_cut_total{') && line.includes(`"${service}"`))
      .filter((line) => line.includes('limit="surplus"'))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0),
  );

/** For how long every session has rested, as the database sees it. */
async function restedMs(): Promise<number> {
  const [row] = await orders.server.query<{ ms: string }>(
    'SELECT extract(epoch FROM clock_timestamp() - max(state_change)) * 1000 AS ms FROM pg_stat_activity WHERE usename = $1',
    [ann.user],
  );
  return Number(row?.ms ?? Number.NaN);
}

test('Postgres: the longest idle end until the limit holds; a transaction, a query and the others live on', {
  timeout: 60_000,
}, async (t) => {
  const clients: pg.Client[] = [];
  for (let i = 0; i < 26; i += 1) clients.push(await postgresSession(sluice, 'checkout', ann));
  const [inTransaction, atWork, ...idle] = clients;
  await waitUntil('all have rested for a second', async () => (await restedMs()) > 1_000);
  for (const client of idle.slice(22)) await client.query('SELECT 1');
  await inTransaction!.query('BEGIN');
  const words = idle.map(wordsOf);
  const work = atWork!.query('SELECT pg_sleep(15)');

  const shrunkMs = performance.now();
  await shrink('checkout', 4);
  const next = postgresSession(sluice, 'checkout', ann);
  await sluice.brain.waitForWaiters('checkout', 1);
  await waitUntil('four are left', async () => (await orders.server.count(ann.user)) === 4);
  const saidMs = words.slice(0, 22).map((each) => Math.round((each.saidMs ?? Number.NaN) - shrunkMs));
  t.diagnostic(`ended, ms after the shrink: ${saidMs.toSorted((a, b) => a - b).join(' ')}`);
  assert.ok(Math.max(...saidMs) - Math.min(...saidMs) > 1_000, 'not all at once');

  assert.deepEqual(
    words.map(({ said }) => said?.code),
    idle.map((_, i) => (i < 22 ? '57P01' : undefined)),
  );
  assert.match(words[0]!.said!.message, /terminating connection due to administrator command/);
  await waitUntil('they are counted', async () => (await cut('checkout')) === 22);
  assert.equal((await sluice.brain.waiting()).total, 1, 'nobody comes in beside the four');
  await inTransaction!.query('COMMIT');
  await work;
  const last = idle.slice(22);
  const backends = await Promise.all([inTransaction!, atWork!, ...last].map(backendOf));
  assert.equal(new Set(backends).size, 4);
  assert.equal(orders.server.hasSaidTooMany, false);

  await inTransaction!.end();
  await (await next).end();
  for (const client of [atWork!, ...last]) await client.end();
});

test('a service that does not say so keeps its idle sessions, also when they are too many', {
  timeout: 60_000,
}, async () => {
  const held = await Promise.all([1, 2, 3].map(() => postgresSession(sluice, 'billing', ann)));
  const spare = await Promise.all([1, 2, 3].map(() => postgresSession(sluice, 'checkout', ann)));
  const backends = await Promise.all(held.map(backendOf));
  await sluice.change((spec) => {
    spec.services!.billing!.max_connections = 1;
    spec.services!.checkout!.max_connections = 1;
  });
  await sluice.brain.waitForTaken('checkout', 1);
  assert.deepEqual(await Promise.all(held.map(backendOf)), backends);
  assert.equal(await cut('billing'), 0);
  for (const client of [...held, ...spare]) await client.end().catch(() => undefined);
});

test('MariaDB: the same, said as 4031', { timeout: 60_000 }, async () => {
  const clients: Connection[] = [];
  for (let i = 0; i < 5; i += 1) clients.push(await mysqlSession(sluice, 'dashboard', annOfReports));
  const [inTransaction, ...idle] = clients;
  await inTransaction!.beginTransaction();
  await inTransaction!.query('SELECT 1');
  const words = idle.map((client) => wordsOf(client as unknown as Parameters<typeof wordsOf>[0]));
  await shrink('dashboard', 2);
  await waitUntil('two are left', async () => (await reports.server.count(ann.user, [observer])) === 2);
  await waitUntil('they are counted', async () => (await cut('dashboard')) === 3);
  assert.match(words[0]!.said!.message, /more sessions than there may be: .*idle\.surplus_ms/);
  assert.equal(words[3]!.said, undefined);
  await inTransaction!.commit();
  await idle[3]!.query('SELECT 1');
  for (const client of [inTransaction!, idle[3]!]) await client.end();
});
