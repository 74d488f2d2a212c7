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
    services: { checkout: { database: 'orders', max_connections: 2, timeout_ms: 30_000 } },
  });
});

after(stopEverything);

test('a client of a database where nobody listens is told so at once', { timeout: 60_000 }, async () => {
  await (await postgresSession(sluice, 'checkout', ann)).end();
  await orders.server.stop();
  await waitUntil('the brain is sure that it is down', async () => {
    const fate = await fateOf(() => postgresSession(sluice, 'checkout', ann));
    assert.deepEqual(fate, { served: false, code: '57P03' });
    return (await sluice.brain.metrics()).includes('reason="database_down"');
  });
  const askedMs = performance.now();
  assert.deepEqual(await fateOf(() => postgresSession(sluice, 'checkout', ann)), {
    served: false,
    code: '57P03',
  });
  assert.ok(performance.now() - askedMs < 1_000, `${performance.now() - askedMs} ms`);
  const [target] = (await sluice.brain.status()).targets;
  assert.equal(target?.observer.state, 'failing');
});
