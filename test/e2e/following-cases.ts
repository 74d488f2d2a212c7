/** What the nodes count of a session is what its database counts: the same cases for each server. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import type { Postgres } from '../harness/postgres.js';
import { scratchFolder } from '../harness/scratch.js';
import { hostnameOf, type Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { libpq } from './command-line.js';
import { runProgram } from './run-program.js';
import { type Account, type Fate, fateOf, mysqlSession } from './sessions.js';

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
async function counted(sluice: Sluice, service: string): Promise<Counted> {
  const lines = (await sluice.brain.metrics()).split('\n').filter((line) => line.includes(`"${service}"`));
  const sum = (start: string): number =>
    lines
      .filter((line) => line.startsWith(start))
      .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
  const entries = Object.entries(series).map(([name, start]) => [name, sum(start)]);
  return Object.fromEntries(entries) as Counted;
}

/** What was counted since `before`, once as many sessions as that have ended. */
async function done(sluice: Sluice, service: string, before: Counted, sessions: number): Promise<Counted> {
  return await waitUntil(`${sessions} sessions have been reported ended`, async () => {
    const now = await counted(sluice, service);
    if (now.sessions - before.sessions < sessions) return undefined;
    const since = (name: keyof Counted): [string, number] => [name, now[name] - before[name]];
    return Object.fromEntries((Object.keys(series) as (keyof Counted)[]).map(since)) as unknown as Counted;
  });
}

/** By whom and where a case is tried; asked for when the servers are there. */
export interface Place<Server> {
  readonly sluice: Sluice;
  readonly service: string;
  readonly account: Account;
  readonly server: Server;
}

/** Transactions as Postgres counts them; beginning a session is one of them. */
async function transactionsOfPostgres({ server, account }: Place<Postgres>): Promise<number> {
  await server.query('SELECT pg_stat_clear_snapshot()');
  const [row] = await server.query<{ n: string }>(
    'SELECT xact_commit + xact_rollback AS n FROM pg_stat_database WHERE datname = $1',
    [account.database],
  );
  return Number(row!.n);
}

async function pgbench(
  { sluice, service, account }: Place<Postgres>,
  ...args: readonly string[]
): Promise<number> {
  const login = {
    host: hostnameOf(service),
    port: sluice.ports.pg,
    ca: sluice.certificates.ca,
    ...account,
  };
  const finished = await runProgram('pgbench', args, libpq(login, sluice.clientEnvironment));
  assert.equal(finished.code, 0, finished.stderr);
  return Number(/transactions actually processed: (\d+)/.exec(finished.stdout)?.[1] ?? 0);
}

const pipeline = [
  '\\set aid random(1, 100000)',
  '\\startpipeline',
  'BEGIN;',
  'UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;',
  'SELECT abalance FROM pgbench_accounts WHERE aid = :aid;',
  'COMMIT;',
  '\\endpipeline',
].join('\n');

/** pgbench in each of its modes; the account owns the database. */
export function transactionsAreCounted(version: string, place: () => Place<Postgres>): void {
  describe(`pgbench on ${version}`, () => {
    before(async () => {
      const { sluice, service } = place();
      const earlier = await counted(sluice, service);
      await pgbench(place(), '--initialize', '--scale=1', '--quiet');
      await done(sluice, service, earlier, 1);
    });

    for (const mode of ['simple', 'extended', 'prepared', 'pipeline'])
      test(`${mode}: its transactions are the node's, and the database's`, async () => {
        const { sluice, service } = place();
        const file = path.join(scratchFolder('pgbench'), 'pipeline.sql');
        writeFileSync(file, pipeline);
        const script =
          mode === 'pipeline' ? ['--protocol=extended', `--file=${file}`] : [`--protocol=${mode}`];
        const before = await counted(sluice, service);
        const beforeInDatabase = await transactionsOfPostgres(place());
        const args = ['--no-vacuum', '--client=4', '--transactions=100', ...script];
        const processed = await pgbench(place(), ...args);
        assert.equal(processed, 400);
        const ours = await done(sluice, service, before, 5);
        assert.equal(ours.timed, ours.transactions);
        assert.equal(ours.errors, 0);
        // Postgres counts the beginning of each session, too.
        await waitUntil('the database has counted the same', async () => {
          const theirs = (await transactionsOfPostgres(place())) - beforeInDatabase - ours.sessions;
          if (theirs > ours.transactions) assert.fail(`${theirs} there, ${ours.transactions} here`);
          return theirs === ours.transactions;
        });
        // Beside those of its scripts: its own look at the tables, and in one mode each client's preparations.
        assert.ok(ours.transactions <= 400 + 2 + 4, `${ours.transactions}`);
      });

    test('nothing of it was too much to follow', async () => {
      assert.equal(await place().sluice.envoy.stat('dynamicmodulescustom.sluice.postgres.unfollowed'), 0);
    });
  });
}

/** mysql2, by text and by the binary protocol. */
export function statementsAreCounted(version: string, place: () => Omit<Place<unknown>, 'server'>): void {
  test(`${version}: statements, errors and transactions are those of its own count`, async () => {
    const { sluice, service, account } = place();
    const before = await counted(sluice, service);
    const client = await mysqlSession(sluice, service, account);
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
    const ours = await done(sluice, service, before, 1);
    assert.equal(ours.queries, theirs);
    assert.equal(ours.errors, 1);
    // Create, insert, select, the one that failed, the one of four statements, the last look.
    assert.equal(ours.transactions, 6);
    assert.equal(ours.timed, 6);
    assert.equal(await sluice.envoy.stat('dynamicmodulescustom.sluice.mysql.unfollowed'), 0);
  });
}
