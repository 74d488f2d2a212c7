/** What the nodes count of a session is what its database counts. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { scratchFolder } from '../harness/scratch.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { finish, libpq } from './clients.js';
import { fateOf, mysqlSession, postgresSession } from './sessions.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };
const annOfReports = { user: 'ann', password, database: 'reports' };

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  [orders, reports] = await Promise.all([
    protectedPostgres('orders', { budget: 20, accounts: [{ name: 'ann', password }], databases: ['orders'] }),
    protectedMariaDb('reports', { budget: 8, accounts: [{ name: 'ann', password }], databases: ['reports'] }),
  ]);
  await orders.server.query('ALTER DATABASE orders OWNER TO ann');
  sluice = await Sluice.start({
    databases: { orders, reports },
    services: {
      checkout: { database: 'orders', max_connections: 20 },
      dashboard: { database: 'reports', max_connections: 8 },
    },
  });
});

after(stopEverything);

/** Sum over all series of a service's metric. */
async function metric(name: string, service: string): Promise<number> {
  const lines = (await sluice.brain.metrics()).split('\n');
  const series = lines.filter((line) => line.startsWith(name) && line.includes(`service="${service}"`));
  return series.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

const counted = async (service: string) => ({
  transactions: await metric('sluice_transactions_total{', service),
  timed: await metric('sluice_transaction_time_seconds_count{', service),
  queries: await metric('sluice_queries_total{', service),
  errors: await metric('sluice_query_errors_total{', service),
  sessions: await metric('sluice_session_duration_seconds_count{', service),
});

/** What it did since `before`; once as many sessions have ended as should. */
async function done(
  service: string,
  before: Awaited<ReturnType<typeof counted>>,
  sessions: number,
): Promise<Awaited<ReturnType<typeof counted>>> {
  const now = await waitUntil(`${sessions} sessions have been reported ended`, async () => {
    const all = await counted(service);
    return all.sessions - before.sessions >= sessions && all;
  });
  const since = (name: keyof typeof now): number => now[name] - before[name];
  return {
    transactions: since('transactions'),
    timed: since('timed'),
    queries: since('queries'),
    errors: since('errors'),
    sessions: since('sessions'),
  };
}

/** Transactions as Postgres counts them; beginning a session is one of them. */
async function transactionsOfPostgres(): Promise<number> {
  await orders.server.query('SELECT pg_stat_clear_snapshot()');
  const [row] = await orders.server.query<{ n: string }>(
    "SELECT xact_commit + xact_rollback AS n FROM pg_stat_database WHERE datname = 'orders'",
  );
  return Number(row!.n);
}

async function pgbench(...args: readonly string[]): Promise<number> {
  const login = {
    host: hostnameOf('checkout'),
    port: sluice.ports.pg,
    ca: sluice.certificates.ca,
    ...ann,
  };
  const finished = await finish('pgbench', args, libpq(login, sluice.clientEnvironment));
  assert.equal(finished.code, 0, finished.stderr);
  return Number(/transactions actually processed: (\d+)/.exec(finished.stdout)?.[1] ?? 0);
}

describe('pgbench', () => {
  before(() => pgbench('--initialize', '--scale=1', '--quiet'));

  const pipeline = [
    '\\set aid random(1, 100000)',
    '\\startpipeline',
    'BEGIN;',
    'UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;',
    'SELECT abalance FROM pgbench_accounts WHERE aid = :aid;',
    'COMMIT;',
    '\\endpipeline',
  ].join('\n');

  for (const mode of ['simple', 'extended', 'prepared', 'pipeline']) {
    test(`${mode}: its transactions are the node's, and the database's`, async () => {
      const file = path.join(scratchFolder('pgbench'), 'pipeline.sql');
      writeFileSync(file, pipeline);
      const script =
        mode === 'pipeline' ? ['--protocol=extended', `--file=${file}`] : [`--protocol=${mode}`];
      const before = await counted('checkout');
      const beforeInDatabase = await transactionsOfPostgres();
      const args = ['--no-vacuum', '--client=4', '--transactions=100', ...script];
      const processed = await pgbench(...args);
      // Four clients, and pgbench's own look at the tables.
      const ours = await done('checkout', before, 5);
      console.log(mode, processed, ours, (await transactionsOfPostgres()) - beforeInDatabase);
    });
  }
});

test('spike', async () => {
  const client = await postgresSession(sluice, 'checkout', ann);
  await client.query('select 1');
  await client.query('begin');
  const my = await mysqlSession(sluice, 'dashboard', annOfReports);
  await my.query('select 1');
  await my.query('select 1');
  await waitUntil('said', async () => {
     const page = await sluice.brain.sessions();
     return page.rows.length === 2 && page.rows.every((r: any) => r.activity && r.activity.queries >0) && (console.log(JSON.stringify(page.rows)), true);
  });
  console.log(await sluice.envoy.stats('sluice'));
  await fateOf(() => client.query('selct'));
  await client.end(); await my.end();
});
