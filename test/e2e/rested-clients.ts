/** What a driver makes of a session that has been ended while it rested. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { hostnameOf } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import type { Place } from './limits-cases.js';
import type { Account } from './sessions.js';

const top = path.resolve(import.meta.dirname, '../..');

interface Told {
  readonly type: string;
  readonly code: string | number;
  readonly message: string;
}

/** How the driver raises it, at its first statement behind the end. */
export interface Reading {
  readonly driver: string;
  readonly type: string;
  readonly code: string | number;
  readonly message: RegExp;
}

interface Counting {
  count(account: string): Promise<number>;
}

/** A session of `service` is open and rests; its database is waited for until it has ended it; then the client asks. */
async function rested(
  { sluice, suffix, account, server }: Place<Counting>,
  service: string,
  driver: string,
): Promise<Told> {
  const python = path.join(top, 'build/venv/bin/python');
  const program = path.join(import.meta.dirname, 'clients/rested.py');
  const child = spawn('setpriv', ['--pdeathsig=KILL', '--', python, '-B', program, driver], {
    env: { ...process.env, ...sluice.clientEnvironment },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const isPostgres = driver in { psycopg: 0, psycopg2: 0, asyncpg: 0, pg8000: 0 };
  const host = hostnameOf(service + suffix);
  const port = isPostgres ? sluice.ports.pg : sluice.ports.mysql;
  child.stdin.write(`${JSON.stringify({ host, port, ca: sluice.certificates.ca, ...account })}\n`);
  let last = 'null';
  for await (const line of createInterface(child.stdout)) {
    last = line;
    if (line !== 'rests') continue;
    await waitUntil(
      'the database has ended the session',
      async () => (await server.count(account.user)) === 0,
    );
    child.stdin.write('\n');
  }
  return JSON.parse(last) as Told;
}

/**
 * Of the service with a limit of idle sessions.
 *
 * @param ended an account whose sessions the server itself ends, in a service that has no limit: the driver shall not see
 *   the difference
 */
export function driversRead(
  version: string,
  at: () => Place<Counting>,
  readings: readonly Reading[],
  ended?: Account,
): void {
  for (const { driver, type, code, message } of readings)
    test(`${version}: what ${driver} says of its idle session that has ended`, async () => {
      const told = await rested(at(), 'brief', driver);
      assert.equal(told?.type, type, JSON.stringify(told));
      assert.equal(told.code, code);
      assert.match(told.message, message);
      if (!ended) return;
      const own = await rested({ ...at(), account: ended }, 'free', driver);
      // Ours goes on with the name of the limit.
      assert.ok(told.message.startsWith(own.message.trimEnd()), `${told.message}; ${own.message}`);
      assert.deepEqual({ ...told, message: '' }, { ...own, message: '' });
    });
}

const idle = /idle-session timeout/;
const disconnected = /disconnected because of .* limit idle\.session_ms was reached/;

export const postgresReadings: readonly Reading[] = [
  { driver: 'psycopg', type: 'IdleSessionTimeout', code: '57P05', message: idle },
  // These keep nothing of what they are told unasked.
  { driver: 'psycopg2', type: 'OperationalError', code: '', message: /^SSL connection has been closed/ },
  { driver: 'asyncpg', type: 'InterfaceError', code: '', message: /^connection is closed$/ },
  { driver: 'pg8000', type: 'InterfaceError', code: '', message: /^network error$/ },
];

export const mysqlReadings: readonly Reading[] = [
  { driver: 'PyMySQL', type: 'OperationalError', code: 4031, message: disconnected },
  { driver: 'asyncmy', type: 'OperationalError', code: 4031, message: disconnected },
  { driver: 'mysql-connector-python', type: 'DatabaseError', code: 4031, message: disconnected },
];
