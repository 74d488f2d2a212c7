/** What tests of TLS to the database begin with, and what they ask: what a server sees of TLS, and how a client is refused. */
import assert from 'node:assert/strict';
import type { Sluice } from '../harness/sluice.js';
import type { SpecInput } from '../harness/spec-file.js';
import { type Account, mysqlSession, postgresSession } from './sessions.js';

export type Tls = SpecInput['databases'][string]['tls'];

export const password = 'correct horse';
export const ann: Account = { user: 'ann', password, database: 'orders' };
export const budget = 8;
/** Of every server. */
export const withAnn = { budget, accounts: [{ name: ann.user, password }], databases: [ann.database] };

/** As fast as a server that is not there. */
export const soonMs = 2_000;

export async function connectTo(sluice: Sluice, database: string, tls: Tls): Promise<void> {
  await sluice.change((spec) => {
    const { [database]: entry } = spec.databases;
    delete entry!.tls;
    if (tls) entry!.tls = tls;
  });
}

export interface Seen {
  readonly ssl: boolean;
  readonly version: string | null;
}

const sslOfPostgres = 'SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()';

export async function seenByPostgres(sluice: Sluice, service: string): Promise<Seen> {
  const session = await postgresSession(sluice, service, ann);
  const { rows } = await session.query<Seen>(sslOfPostgres);
  await session.end();
  return rows[0]!;
}

export interface Refused {
  readonly code: string | number;
  readonly message: string;
  readonly detail: string | undefined;
  readonly tookMs: number;
}

async function refused(connect: () => Promise<{ end(): Promise<void> }>): Promise<Refused> {
  const startedMs = performance.now();
  try {
    await (await connect()).end();
  } catch (error) {
    const { errno, code, message, detail } = error as Error & Record<'errno' | 'code' | 'detail', string>;
    const tookMs = performance.now() - startedMs;
    return { code: typeof errno === 'number' ? errno : code, message, detail, tookMs };
  }
  return assert.fail('it was let in');
}

/** How a client of a service is refused. @throws AssertionError where it is let in */
export const byPostgres = (sluice: Sluice, service: string): Promise<Refused> =>
  refused(() => postgresSession(sluice, service, ann));
export const byMaria = (sluice: Sluice, service: string): Promise<Refused> =>
  refused(() => mysqlSession(sluice, service, ann));
