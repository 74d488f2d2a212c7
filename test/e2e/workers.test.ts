/** A pool's few connections are shared out among Envoy's workers, so that none of them idles beside a busy one. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import { protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { postgresSession } from './sessions.js';

const ann = { user: 'ann', password: 'correct horse', database: 'orders' };
const pool = 12;

after(stopEverything);

test('each of two workers has half of a pool that was opened at once', async () => {
  const orders = await protectedPostgres('orders', {
    budget: pool,
    accounts: [{ name: ann.user, password: ann.password }],
    databases: [ann.database],
  });
  const sluice = await Sluice.start({
    databases: { orders },
    services: { checkout: { database: 'orders', max_connections: pool } },
  });
  const sessions = await Promise.all(
    Array.from({ length: pool }, () => postgresSession(sluice, 'checkout', ann)),
  );
  const active = await sluice.envoy.stats(String.raw`^listener\.sluice_pg\.worker_\d\.downstream_cx_active$`);
  assert.deepEqual(Object.values(active), [pool / 2, pool / 2]);
  for (const session of sessions) await session.end();
});
