/** What a dead brain means: sessions live on, nobody new gets in (I2), and who waits is not refused. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import type { Protected } from '../harness/protected-database.js';
import type { Sluice } from '../harness/sluice.js';
import { ann, annOfReports, ordersAndReports } from './orders-and-reports.js';
import { backendOf, fateOf, mysqlSession, postgresSession } from './sessions.js';

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  const patient = { max_connections: 1, timeout_ms: 60_000 };
  ({ orders, reports, sluice } = await ordersAndReports({
    budgets: { orders: 5, reports: 8 },
    services: {
      checkout: { database: 'orders', ...patient },
      dashboard: { database: 'reports', ...patient },
    },
  }));
});

after(stopEverything);

test('a client that waits when the brain is killed gets in after its restart', {
  timeout: 60_000,
}, async () => {
  const holder = await postgresSession(sluice, 'checkout', ann);
  const backend = await backendOf(holder);
  const waiting = postgresSession(sluice, 'checkout', ann);
  await sluice.brain.waitForWaiters('checkout', 1);

  await sluice.brain.kill();
  assert.equal(await backendOf(holder), backend);
  await sluice.brain.startAgain();
  await sluice.brain.waitForWaiters('checkout', 1);
  await sluice.brain.waitForTaken('checkout', 1);
  assert.equal(await backendOf(holder), backend);

  const freed = performance.now();
  await holder.end();
  const session = await waiting;
  assert.ok(performance.now() - freed < 5000, `served after ${performance.now() - freed} ms`);
  assert.equal(await orders.server.count('ann'), 1);
  await session.end();
});

/** Envoy asks again for a minute and a half; a brain starts in less. */
test('a client that comes when the brain is dead gets in when it is back', {
  timeout: 60_000,
}, async () => {
  await sluice.brain.waitForTaken('checkout', 0);
  await sluice.brain.kill();
  const coming = fateOf(async () => (await postgresSession(sluice, 'checkout', ann)).end());
  await sluice.brain.startAgain();
  const back = performance.now();
  const fate = await coming;
  assert.deepEqual(fate, { served: true });
  assert.ok(performance.now() - back < 5000, `served after ${performance.now() - back} ms`);
});

test('while the brain stays dead, sessions work and new clients are told so', {
  timeout: 140_000,
}, async () => {
  await sluice.brain.waitForTaken('checkout', 0);
  const session = await postgresSession(sluice, 'checkout', ann);
  const backend = await backendOf(session);
  const report = await mysqlSession(sluice, 'dashboard', annOfReports);
  await sluice.brain.kill();

  const [postgres, mysql] = await Promise.all([
    fateOf(() => postgresSession(sluice, 'checkout', ann)),
    fateOf(() => mysqlSession(sluice, 'dashboard', annOfReports)),
  ]);
  assert.deepEqual(postgres, { served: false, code: '57P03' });
  assert.deepEqual(mysql, { served: false, code: 1053 });

  assert.equal(await backendOf(session), backend);
  assert.ok(await report.query('SELECT 1'));
  assert.equal(await orders.server.count('ann'), 1);
  assert.equal(await reports.server.count('ann'), 1);
  await session.end();
  await report.end();

  await sluice.brain.startAgain();
  await (await postgresSession(sluice, 'checkout', ann)).end();
});
