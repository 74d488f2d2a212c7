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
import { libpq } from './command-line.js';
import { runProgram } from './run-program.js';
import { type Fate, fateOf, mysqlSession, postgresSession } from './sessions.js';

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

interface Counted {
  readonly transactions: number;
  readonly timed: number;
  readonly queries: number;
  readonly errors: number;
  readonly sessions: number;
}

const series: Readonly<Record<keyof Counted, string>> = {
  transactions: 'sluice_transactions_total{',
  timed: 'sluice_transaction_time_seconds_count{',
  queries: 'sluice_queries_total{',
  errors: 'sluice_query_errors_total{',
  sessions: 'sluice_session_duration_seconds_count{',
};

/** What the brain has counted of a service, all at one time. */
async function counted(service: string): Promise<Counted> {
  const lines = (await sluice.brain.metrics()).split('\n').filter((line) => line.includes(`"${service}"`));
  const sum = (start: string): number =>
    lines
      .filter((line) => line.startsWith(start))
      .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
  const entries = Object.entries(series).map(([name, start]) => [name, sum(start)]);
  return Object.fromEntries(entries) as Counted;
}

/** What was counted since `before`, once as many sessions as that have ended. */
async function done(service: string, before: Counted, sessions: number): Promise<Counted> {
  return await waitUntil(`${sessions} sessions have been reported ended`, async () => {
    const now = await counted(service);
    if (now.sessions - before.sessions < sessions) return undefined;
    const since = (name: keyof Counted): [string, number] => [name, now[name] - before[name]];
    return Object.fromEntries((Object.keys(series) as (keyof Counted)[]).map(since)) as unknown as Counted;
  });
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
  const finished = await runProgram('pgbench', args, libpq(login, sluice.clientEnvironment));
  assert.equal(finished.code, 0, finished.stderr);
  return Number(/transactions actually processed: (\d+)/.exec(finished.stdout)?.[1] ?? 0);
}

describe('pgbench', () => {
  before(async () => {
    const earlier = await counted('checkout');
    await pgbench('--initialize', '--scale=1', '--quiet');
    await done('checkout', earlier, 1);
  });

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
      const script = mode === 'pipeline' ? ['--protocol=extended', `--file=${file}`] : [`--protocol=${mode}`];
      const before = await counted('checkout');
      const beforeInDatabase = await transactionsOfPostgres();
      const args = ['--no-vacuum', '--client=4', '--transactions=100', ...script];
      const processed = await pgbench(...args);
      assert.equal(processed, 400);
      const ours = await done('checkout', before, 5);
      assert.equal(ours.timed, ours.transactions);
      assert.equal(ours.errors, 0);
      // Postgres counts the beginning of each session, too.
      await waitUntil('the database has counted the same', async () => {
        const theirs = (await transactionsOfPostgres()) - beforeInDatabase - ours.sessions;
        if (theirs > ours.transactions) assert.fail(`${theirs} there, ${ours.transactions} here`);
        return theirs === ours.transactions;
      });
      // Beside those of its scripts: its own look at the tables, and in one mode each client's preparations.
      assert.ok(ours.transactions <= 400 + 2 + 4, `${ours.transactions}`);
    });
  }

  test('nothing of it was too much to follow', async () => {
    assert.equal(await sluice.envoy.stat('dynamicmodulescustom.sluice.postgres.unfollowed'), 0);
  });
});

test('a session shows what it does, for how long, and what it has done', async () => {
  const client = await postgresSession(sluice, 'checkout', ann);
  await client.query('SELECT 1');
  await fateOf(() => client.query('SELCT 1'));
  await client.query('BEGIN');
  const [shown] = await waitUntil('the node has said what it does', async () => {
    const { rows } = await sluice.brain.sessions();
    return rows.length === 1 && rows[0]!.activity?.state === 'transaction' && rows;
  });
  const { transactions, queries, errors } = shown!.activity!;
  assert.deepEqual({ transactions, queries, errors }, { transactions: 2, queries: 3, errors: 1 });
  await waitUntil('it has rested for longer than before', async () => {
    const { rows } = await sluice.brain.sessions();
    return rows[0]!.activity!.for_ms! > shown!.activity!.for_ms!;
  });
  await client.end();
});

test('MariaDB: statements, errors and transactions are those of its own count', async () => {
  const before = await counted('dashboard');
  const client = await mysqlSession(sluice, 'dashboard', annOfReports);
  await client.query('CREATE TABLE numbers (n INT PRIMARY KEY)');
  await client.execute('INSERT INTO numbers VALUES (?), (?)', [1, 2]);
  await client.execute('SELECT n FROM numbers WHERE n > ?', [0]);
  assert.deepEqual(await fateOf(() => client.query('INSERT INTO numbers VALUES (1)')), {
    served: false,
    code: 1062,
  } satisfies Fate);
  await client.beginTransaction();
  await client.execute('INSERT INTO numbers VALUES (?), (?)', [3, 4]);
  await client.query('SELECT n FROM numbers');
  await client.commit();
  await client.ping();
  const [rows] = await client.query("SHOW SESSION STATUS LIKE 'Questions'");
  const theirs = Number((rows as { Value: string }[])[0]!.Value);
  await client.end();
  const ours = await done('dashboard', before, 1);
  assert.equal(ours.queries, theirs);
  assert.equal(ours.errors, 1);
  // Create, insert, select, the one that failed, the one of four statements, the last look.
  assert.equal(ours.transactions, 6);
  assert.equal(ours.timed, 6);
});

test('a client that the server turns away is counted with the reason', async () => {
  const failed = async (service: string): Promise<number> => {
    const lines = (await sluice.brain.metrics()).split('\n');
    const start = 'sluice_logins_failed_total{';
    const line = lines.find((each) => each.startsWith(start) && each.includes(`"${service}"`));
    return line?.includes('reason="credentials"') ? Number(line.split(' ').at(-1)) : 0;
  };
  const wrong = { password: 'wrong horse' };
  await fateOf(() => postgresSession(sluice, 'checkout', { ...ann, ...wrong }));
  await fateOf(() => mysqlSession(sluice, 'dashboard', { ...annOfReports, ...wrong }));
  for (const service of ['checkout', 'dashboard'])
    await waitUntil(`it is counted for ${service}`, async () => (await failed(service)) === 1);
  for (const protocol of ['postgres', 'mysql'])
    assert.equal(await sluice.envoy.stat(`dynamicmodulescustom.sluice.${protocol}.logins_failed`), 1);
});
