/** Idle and aged sessions end by their limits, in their protocol's own words: the same cases for each server. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type pg from 'pg';
import type { MariaDb } from '../harness/mariadb.js';
import type { MySql } from '../harness/mysql.js';
import type { Postgres } from '../harness/postgres.js';
import type { ServiceOptions, Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { type Account, backendOf, mysqlSession, postgresSession } from './sessions.js';

const limits = { brief: { session_ms: 300 }, hasty: { transaction_ms: 300 }, aged: { age_ms: 1_000 } };

/** A service for each limit: `brief-DATABASE`, `hasty-DATABASE`, `aged-DATABASE`. */
export function limitedServices(database: string): Record<string, ServiceOptions> {
  const services = Object.entries(limits).map(([name, idle]) => [
    `${name}-${database}`,
    { database, max_connections: 3, idle },
  ]);
  return Object.fromEntries(services);
}

/** Asked for when the servers are there; the services end in `suffix`. */
export interface Place<Server> {
  readonly sluice: Sluice;
  readonly suffix: string;
  readonly account: Account;
  readonly server: Server;
}

/** The error that a client reads unasked. */
function lastWords(client: {
  once(event: 'error', listener: (error: Error) => void): unknown;
}): Promise<{ readonly code?: string; readonly message: string }> {
  return new Promise((resolve) => client.once('error', resolve));
}

/** Since when Postgres sees the backend do what it does, in milliseconds. */
async function restedMs(server: Postgres, backend: number): Promise<number> {
  const [row] = await server.query<{ ms: string }>(
    'SELECT extract(epoch FROM clock_timestamp() - state_change) * 1000 AS ms FROM pg_stat_activity WHERE pid = $1',
    [backend],
  );
  return Number(row?.ms ?? Number.NaN);
}

async function whenGone({ sluice, server, account }: Place<Postgres | MariaDb | MySql>): Promise<void> {
  await waitUntil('the database has ended the session', async () => (await server.count(account.user)) === 0);
  await waitUntil('its slot is free', async () => (await sluice.brain.sessions()).total === 0);
}

async function cutBy({ sluice }: Place<unknown>, limit: string, service: string): Promise<void> {
  await waitUntil(`it is counted as cut by ${limit}`, async () => {
    const lines = (await sluice.brain.metrics()).split('\n');
    const start = 'sluice_sessions_cut_total{';
    return lines.some(
      (line) =>
        line.startsWith(start) && line.includes(`"${service}"`) && line.endsWith(`limit="${limit}"} 1`),
    );
  });
}

/** The account owns the database. */
export function postgresLimits(version: string, at: () => Place<Postgres>): void {
  const session = (service: string) => postgresSession(at().sluice, service + at().suffix, at().account);

  describe(version, () => {
    test('an idle session reads 57P05 and its slot is free at once', async () => {
      const client = await session('brief');
      const words = await lastWords(client);
      assert.equal(words.code, '57P05');
      assert.match(words.message, /idle-session timeout/);
      await whenGone(at());
      await cutBy(at(), 'idle_session', `brief${at().suffix}`);
      assert.doesNotMatch(at().server.log, /unexpected EOF/, 'it was told to end');
    });

    test('an idle transaction reads 25P03 and is rolled back', async () => {
      const client = await session('hasty');
      await client.query('CREATE TABLE kept (n int)');
      await client.query('BEGIN');
      await client.query('INSERT INTO kept VALUES (1)');
      assert.equal((await lastWords(client)).code, '25P03');
      await whenGone(at());
      const again = await session('hasty');
      assert.deepEqual((await again.query('SELECT n FROM kept')).rows, []);
      await again.end();
      await cutBy(at(), 'idle_transaction', `hasty${at().suffix}`);
    });

    test('session_ms cuts neither a transaction nor a query', async () => {
      const client = await session('brief');
      await client.query('BEGIN');
      const backend = await backendOf(client);
      await waitUntil(
        'it has rested long in its transaction',
        async () => (await restedMs(at().server, backend)) > 1_000,
      );
      await client.query('COMMIT');
      await client.query('SELECT pg_sleep(1)');
      assert.equal(await backendOf(client), backend);
      await client.end();
    });

    test('age ends a busy session between two transactions, and loses none', async () => {
      const client = await session('aged');
      await client.query('CREATE TABLE busy (n int)');
      // It reads why between two statements, or as the answer to one that was under way by then.
      const unasked = lastWords(client);
      let committed = 0;
      const answered = await insertsUntilRefused(client, () => {
        committed += 1;
      });
      const codes = [answered.code, (await unasked).code];
      assert.ok(codes.includes('57P01'), codes.join());
      await whenGone(at());
      const again = await session('brief');
      const { rows } = await again.query<{ n: number }>('SELECT count(*)::int AS n FROM busy');
      assert.equal(rows[0]!.n, committed);
      assert.ok(committed > 0);
      await again.end();
      await cutBy(at(), 'max_age', `aged${at().suffix}`);
    });
  });
}

/** @returns why it ended. */
async function insertsUntilRefused(client: pg.Client, committed: () => void): Promise<{ code?: string }> {
  for (;;) {
    try {
      await insertOne(client);
    } catch (error) {
      return error as { code?: string };
    }
    committed();
  }
}

async function insertOne(client: pg.Client): Promise<void> {
  await client.query('BEGIN');
  await client.query('INSERT INTO busy VALUES (1)');
  await client.query('COMMIT');
}

export function mysqlLimits(version: string, at: () => Place<MariaDb | MySql>): void {
  for (const [service, limit, open] of [
    ['brief', 'idle_session', false],
    ['hasty', 'idle_transaction', true],
    ['aged', 'max_age', false],
  ] as const)
    test(`${version}: ${limit} is said as 4031, and the slot is free`, async () => {
      const client = await mysqlSession(at().sluice, service + at().suffix, at().account);
      const words = lastWords(client as unknown as Parameters<typeof lastWords>[0]);
      if (open) await client.beginTransaction();
      await client.query(open ? 'CREATE TABLE IF NOT EXISTS t (n INT)' : 'SELECT 1');
      if (open) {
        await client.beginTransaction();
        await client.query('INSERT INTO t VALUES (1)');
      }
      assert.match((await words).message, /disconnected because of .* limit idle\.[a-z]+_ms was reached/);
      await whenGone(at());
      await cutBy(at(), limit, service + at().suffix);
    });
}
