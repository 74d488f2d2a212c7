/** A database that has gone, and one that comes back: clients are told which, and nothing has to be restarted. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { fateOf, postgresSession } from './sessions.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };

let orders: Protected<Postgres>;
let sluice: Sluice;

before(async () => {
  orders = await protectedPostgres('orders', {
    budget: 2,
    accounts: [{ name: 'ann', password }],
    databases: ['orders'],
  });
  sluice = await Sluice.start({
    databases: { orders },
    services: { checkout: { database: 'orders', max_connections: 2, timeout_ms: 3_000 } },
  });
});

after(stopEverything);

const fate = () => fateOf(async () => (await postgresSession(sluice, 'checkout', ann)).end());

test('clients of a database where nobody listens are told so, soon by the brain, and take no slot with them', {
  timeout: 60_000,
}, async () => {
  assert.deepEqual(await fate(), { served: true });
  await sluice.brain.waitForTaken('checkout', 0);
  await orders.server.stop();
  // More often than there are slots.
  for (let client = 0; client < 4; client++) {
    const told = await fate();
    assert.ok(!told.served && ['08006', '57P03'].includes(String(told.code)), JSON.stringify(told));
  }
  await waitUntil('the brain is sure that it is down', async () => {
    const told = await fate();
    return !told.served && told.code === '57P03';
  });
  const askedMs = performance.now();
  assert.deepEqual(await fate(), { served: false, code: '57P03' });
  assert.ok(performance.now() - askedMs < 1_000, `${performance.now() - askedMs} ms`);
  assert.equal((await sluice.brain.status()).targets[0]?.observer?.state, 'failing');
  await sluice.brain.waitForTaken('checkout', 0);
});
