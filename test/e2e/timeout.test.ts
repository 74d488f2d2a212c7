/** I3: a client that waits is answered within its service's timeout, in its own protocol, with a reason. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { mysqlSession, postgresSession } from './sessions.js';

const timeoutMs = 700;
/** Of a busy machine, on top. */
const graceMs = 700;
const password = 'correct horse';

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  [orders, reports] = await Promise.all([
    protectedPostgres('orders', { budget: 5, accounts: [{ name: 'ann', password }], databases: ['orders'] }),
    protectedMariaDb('reports', { budget: 8, accounts: [{ name: 'ann', password }], databases: ['reports'] }),
  ]);
  sluice = await Sluice.start({
    databases: { orders, reports },
    services: {
      checkout: { database: 'orders', max_connections: 1, timeout_ms: timeoutMs },
      dashboard: { database: 'reports', max_connections: 1, timeout_ms: timeoutMs },
    },
  });
});

after(stopEverything);

interface Answer {
  readonly error: { readonly code?: string; readonly errno?: number; readonly message: string };
  readonly waitedMs: number;
}

async function refusalOf(attempt: () => Promise<unknown>): Promise<Answer> {
  const started = performance.now();
  try {
    await attempt();
  } catch (error) {
    return { error: error as Answer['error'], waitedMs: performance.now() - started };
  }
  throw new Error('it was let in');
}

function assertInTime({ waitedMs }: Answer): void {
  assert.ok(waitedMs >= timeoutMs - 50, `answered after ${waitedMs} ms`);
  assert.ok(waitedMs <= timeoutMs + graceMs, `answered after ${waitedMs} ms`);
}

test('a Postgres client reads which limit was full and how long it waited', { timeout: 30_000 }, async () => {
  const account = { user: 'ann', password, database: 'orders' };
  const holder = await postgresSession(sluice, 'checkout', account);
  const answer = await refusalOf(() => postgresSession(sluice, 'checkout', account));
  assertInTime(answer);
  assert.equal(answer.error.code, '53300');
  assert.match(answer.error.message, /checkout.*\b1\b/);
  assert.match(answer.error.message, /\b\d+ ms\b/);
  await holder.end();
});

test('a MySQL client reads the same as its own error', { timeout: 30_000 }, async () => {
  const account = { user: 'ann', password, database: 'reports' };
  const holder = await mysqlSession(sluice, 'dashboard', account);
  const answer = await refusalOf(() => mysqlSession(sluice, 'dashboard', account));
  assertInTime(answer);
  assert.equal(answer.error.errno, 1040);
  assert.match(answer.error.message, /dashboard.*\b1\b/);
  await holder.end();
});

test('the slot of a client that timed out is nobody’s: the next one gets in', {
  timeout: 30_000,
}, async () => {
  const account = { user: 'ann', password, database: 'orders' };
  await sluice.brain.waitForTaken('checkout', 0);
  await (await postgresSession(sluice, 'checkout', account)).end();
});
