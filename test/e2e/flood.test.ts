/** I1 under a flood: a hundred clients, ten slots, and a database that has room for not one more. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import { peakWhile } from '../harness/peak.js';
import type { Postgres } from '../harness/postgres.js';
import { observer, type Protected } from '../harness/protected-database.js';
import type { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { ann, annOfReports, ordersAndReports } from './orders-and-reports.js';
import { fateOf, mysqlSession, postgresSession } from './sessions.js';

const clients = 100;
const budget = 10;

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  const patient = { max_connections: budget, max_queue: clients, timeout_ms: 60_000 };
  ({ orders, reports, sluice } = await ordersAndReports({
    budgets: { orders: budget, reports: budget },
    services: {
      checkout: { database: 'orders', ...patient },
      dashboard: { database: 'reports', ...patient },
      // Queues for as many as are in.
      impatient: { database: 'orders', ...patient, max_queue: budget },
    },
  }));
});

after(stopEverything);

function flood(client: () => Promise<void>): Promise<unknown> {
  return Promise.all(Array.from({ length: clients }, client));
}

test('100 Postgres clients share 10 sessions, all are served, the database never counts more', async () => {
  const { peak, looks } = await peakWhile(
    () => orders.server.count(undefined, [observer]),
    () =>
      flood(async () => {
        const session = await postgresSession(sluice, 'checkout', ann);
        await session.query('SELECT pg_sleep(0.05)');
        await session.end();
      }),
  );
  assert.equal(peak, budget);
  assert.ok(looks > 20, `looked only ${looks} times`);
  assert.equal(orders.server.hasSaidTooMany, false, orders.server.log);
});

test('100 MariaDB clients share 10 sessions, all are served, the database never counts more', async () => {
  const failedBefore = await reports.server.failedLogins();
  const { peak, looks } = await peakWhile(
    () => reports.server.count(undefined, [observer]),
    () =>
      flood(async () => {
        const session = await mysqlSession(sluice, 'dashboard', annOfReports);
        await session.query('SELECT sleep(0.05)');
        await session.end();
      }),
  );
  assert.equal(peak, budget);
  assert.ok(looks > 20, `looked only ${looks} times`);
  assert.equal((await reports.server.failedLogins()) - failedBefore, 0, reports.server.log);
});

/** Comes back as soon as it has left: slots change hands as fast as they can. */
const comesBack = 5;

test('slots that change hands at once are never in two hands, as Postgres counts', {
  timeout: 60_000,
}, async () => {
  await flood(async () => {
    for (let round = 0; round < comesBack; round += 1) {
      await (await postgresSession(sluice, 'checkout', ann)).end();
    }
  });
  assert.equal(orders.server.hasSaidTooMany, false, orders.server.log);
});

test('slots that change hands at once are never in two hands, as MariaDB counts', {
  timeout: 60_000,
}, async () => {
  const failedBefore = await reports.server.failedLogins();
  await flood(async () => {
    for (let round = 0; round < comesBack; round += 1) {
      await (await mysqlSession(sluice, 'dashboard', annOfReports)).end();
    }
  });
  assert.equal((await reports.server.failedLogins()) - failedBefore, 0, reports.server.log);
});

test('clients that find the queue full are told so, the others are served', async () => {
  const held = await Promise.all(
    Array.from({ length: budget }, () => postgresSession(sluice, 'impatient', ann)),
  );
  const fates = Promise.all(
    Array.from({ length: clients }, () =>
      fateOf(async () => (await postgresSession(sluice, 'impatient', ann)).end()),
    ),
  );
  await sluice.brain.waitForWaiters('impatient', budget);
  // Nobody else is in the line: the rest has had its answer while no slot was free.
  await waitUntil('the rest is refused', async () => {
    const text = await sluice.brain.metrics();
    return refusals(text, 'impatient') === clients - budget;
  });
  await Promise.all(held.map((session) => session.end()));
  const served = (await fates).filter((fate) => fate.served);
  const codes = (await fates).flatMap((fate) => (fate.served ? [] : [fate.code]));
  assert.equal(served.length, budget);
  assert.deepEqual(new Set(codes), new Set(['53300']));
  assert.equal(orders.server.hasSaidTooMany, false, orders.server.log);
});

test('when the flood is over, no slot is taken', async () => {
  for (const service of ['checkout', 'dashboard', 'impatient']) await sluice.brain.waitForTaken(service, 0);
});

function refusals(metrics: string, service: string): number {
  const lines = metrics
    .split('\n')
    .filter((line) => line.startsWith('sluice_refusals_total{') && line.includes(`service="${service}"`));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
