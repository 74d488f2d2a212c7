/** Idle and aged sessions end by their limits, in their protocol's own words; work is never cut. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { backendOf, mysqlSession, postgresSession } from './sessions.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };
const annOfReports = { user: 'ann', password, database: 'reports' };

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  [orders, reports] = await Promise.all([
    protectedPostgres('orders', { budget: 9, accounts: [{ name: 'ann', password }], databases: ['orders'] }),
    protectedMariaDb('reports', { budget: 9, accounts: [{ name: 'ann', password }], databases: ['reports'] }),
  ]);
  await orders.server.query('ALTER DATABASE orders OWNER TO ann');
  const [brief, hasty, aged] = [{ session_ms: 300 }, { transaction_ms: 300 }, { age_ms: 1_000 }];
  const postgres = { database: 'orders', max_connections: 3 };
  const mariadb = { database: 'reports', max_connections: 3 };
  sluice = await Sluice.start({
    databases: { orders, reports },
    services: {
      brief: { ...postgres, idle: brief },
      hasty: { ...postgres, idle: hasty },
      aged: { ...postgres, idle: aged },
      'brief-my': { ...mariadb, idle: brief },
      'hasty-my': { ...mariadb, idle: hasty },
      'aged-my': { ...mariadb, idle: aged },
    },
  });
});

after(stopEverything);

/** The error that a client reads unasked. */
function lastWords(client: {
  once(event: 'error', listener: (error: Error) => void): unknown;
}): Promise<{ readonly code?: string; readonly message: string }> {
  return new Promise((resolve) => client.once('error', resolve));
}

/** Since when Postgres sees the backend do what it does, in milliseconds. */
async function restedMs(backend: number): Promise<number> {
  const [row] = await orders.server.query<{ ms: string }>(
    'SELECT extract(epoch FROM clock_timestamp() - state_change) * 1000 AS ms FROM pg_stat_activity WHERE pid = $1',
    [backend],
  );
  return Number(row?.ms ?? Number.NaN);
}

async function whenGone(server: Postgres | MariaDb): Promise<void> {
  await waitUntil('the database has ended the session', async () => (await server.count('ann')) === 0);
  await waitUntil('its slot is free', async () => (await sluice.brain.sessions()).total === 0);
}

async function cutBy(limit: string, service: string): Promise<void> {
  await waitUntil(`it is counted as cut by ${limit}`, async () => {
    const lines = (await sluice.brain.metrics()).split('\n');
    const start = 'sluice_sessions_cut_total{';
    return lines.some(
      (line) =>
        line.startsWith(start) && line.includes(`"${service}"`) && line.endsWith(`limit="${limit}"} 1`),
    );
  });
}

test('an idle session reads 57P05 and its slot is free at once', async () => {
  const client = await postgresSession(sluice, 'brief', ann);
  const words = await lastWords(client);
  assert.equal(words.code, '57P05');
  assert.match(words.message, /idle-session timeout/);
  await whenGone(orders.server);
  await cutBy('idle_session', 'brief');
  assert.doesNotMatch(orders.server.log, /unexpected EOF/, 'it was told to end');
});

test('an idle transaction reads 25P03 and is rolled back', async () => {
  const client = await postgresSession(sluice, 'hasty', ann);
  await client.query('CREATE TABLE kept (n int)');
  await client.query('BEGIN');
  await client.query('INSERT INTO kept VALUES (1)');
  assert.equal((await lastWords(client)).code, '25P03');
  await whenGone(orders.server);
  const again = await postgresSession(sluice, 'hasty', ann);
  assert.deepEqual((await again.query('SELECT n FROM kept')).rows, []);
  await again.end();
  await cutBy('idle_transaction', 'hasty');
});

test('session_ms cuts neither a transaction nor a query', async () => {
  const client = await postgresSession(sluice, 'brief', ann);
  await client.query('BEGIN');
  const backend = await backendOf(client);
  await waitUntil('it has rested long in its transaction', async () => (await restedMs(backend)) > 1_000);
  await client.query('COMMIT');
  await client.query('SELECT pg_sleep(1)');
  assert.equal(await backendOf(client), backend);
  await client.end();
});

test('age ends a busy session between two transactions, and loses none', async () => {
  const client = await postgresSession(sluice, 'aged', ann);
  await client.query('CREATE TABLE busy (n int)');
  const words = lastWords(client);
  let committed = 0;
  await assert.rejects(async () => {
    for (;;) {
      await insertOne(client);
      committed += 1;
    }
  });
  assert.equal((await words).code, '57P01');
  await whenGone(orders.server);
  const again = await postgresSession(sluice, 'brief', ann);
  const { rows } = await again.query<{ n: number }>('SELECT count(*)::int AS n FROM busy');
  assert.equal(rows[0]!.n, committed);
  assert.ok(committed > 0);
  await again.end();
  await cutBy('max_age', 'aged');
});

async function insertOne(client: pg.Client): Promise<void> {
  await client.query('BEGIN');
  await client.query('INSERT INTO busy VALUES (1)');
  await client.query('COMMIT');
}

for (const [service, limit, open] of [
  ['brief-my', 'idle_session', false],
  ['hasty-my', 'idle_transaction', true],
  ['aged-my', 'max_age', false],
] as const)
  test(`MariaDB: ${limit} is said as 4031, and the slot is free`, async () => {
    const client = await mysqlSession(sluice, service, annOfReports);
    const words = lastWords(client as unknown as Parameters<typeof lastWords>[0]);
    if (open) await client.beginTransaction();
    await client.query(open ? 'CREATE TABLE IF NOT EXISTS t (n INT)' : 'SELECT 1');
    if (open) {
      await client.beginTransaction();
      await client.query('INSERT INTO t VALUES (1)');
    }
    assert.match((await words).message, /disconnected because of .* limit idle\.[a-z]+_ms was reached/);
    await whenGone(reports.server);
    await cutBy(limit, service);
  });
