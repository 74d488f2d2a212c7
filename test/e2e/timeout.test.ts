/** I3: a client that waits is answered within its service's timeout, in its own protocol, with a reason. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { Sluice } from '../harness/sluice.js';
import { ann, annOfReports, ordersAndReports } from './orders-and-reports.js';
import { mysqlSession, postgresSession } from './sessions.js';

const timeoutMs = 700;
/** Of a busy machine, on top. */
const graceMs = 700;

let sluice: Sluice;

before(async () => {
  ({ sluice } = await ordersAndReports({
    budgets: { orders: 5, reports: 8 },
    services: {
      checkout: { database: 'orders', max_connections: 1, timeout_ms: timeoutMs },
      dashboard: { database: 'reports', max_connections: 1, timeout_ms: timeoutMs },
    },
  }));
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
  const holder = await postgresSession(sluice, 'checkout', ann);
  const answer = await refusalOf(() => postgresSession(sluice, 'checkout', ann));
  assertInTime(answer);
  assert.equal(answer.error.code, '53300');
  assert.match(answer.error.message, /checkout.*\b1\b/);
  assert.match(answer.error.message, /\b\d+ ms\b/);
  await holder.end();
});

test('a MySQL client reads the same as its own error', { timeout: 30_000 }, async () => {
  const holder = await mysqlSession(sluice, 'dashboard', annOfReports);
  const answer = await refusalOf(() => mysqlSession(sluice, 'dashboard', annOfReports));
  assertInTime(answer);
  assert.equal(answer.error.errno, 1040);
  assert.match(answer.error.message, /dashboard.*\b1\b/);
  await holder.end();
});

test('the slot of a client that timed out is nobody’s: the next one gets in', {
  timeout: 30_000,
}, async () => {
  await sluice.brain.waitForTaken('checkout', 0);
  await (await postgresSession(sluice, 'checkout', ann)).end();
});
