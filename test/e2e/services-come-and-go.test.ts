/** I6: adding, changing and removing a service closes no connection of another, and touches no listener. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { backendOf, fateOf, postgresSession } from './sessions.js';

const account = { user: 'ann', password: 'correct horse', database: 'orders' };

let orders: Protected<Postgres>;
let sluice: Sluice;

before(async () => {
  orders = await protectedPostgres('orders', {
    budget: 10,
    accounts: [{ name: account.user, password: account.password }],
    databases: ['orders'],
  });
  sluice = await Sluice.start({
    databases: { orders },
    services: { checkout: { database: 'orders', max_connections: 4 } },
  });
});

after(stopEverything);

test('services come and go while another one works', { timeout: 60_000 }, async () => {
  const listenersBefore = await sluice.envoy.stats('^listener_manager\\.');
  const idle = await postgresSession(sluice, 'checkout', account);
  const busy = await postgresSession(sluice, 'checkout', account);
  const backends = [await backendOf(idle), await backendOf(busy)];
  let isOver = false;
  const work = (async () => {
    let queries = 0;
    for (; !isOver; queries += 1) await busy.query('SELECT count(*) FROM generate_series(1, 1000)');
    return queries;
  })();

  for (const round of ['newcomer', 'latecomer', 'last-one']) {
    await sluice.change((spec) => {
      spec.services![round] = sluice.service(round, { database: 'orders', max_connections: 2 });
    });
    const session = await postgresSession(sluice, round, account);
    assert.equal((await session.query('SELECT 1 AS n')).rows[0].n, 1);
    await sluice.change((spec) => {
      spec.services![round]!.max_connections = 1;
      spec.services![round]!.priority = 7;
    });
    assert.equal((await session.query('SELECT 1 AS n')).rows[0].n, 1);
    await session.end();
    await sluice.change((spec) => {
      delete spec.services![round];
    });
    assert.deepEqual(await fateOf(() => postgresSession(sluice, round, account)), {
      served: false,
      code: '08004',
    });
  }

  isOver = true;
  assert.ok((await work) > 0);
  assert.deepEqual([await backendOf(idle), await backendOf(busy)], backends);
  assert.deepEqual(await sluice.envoy.stats('^listener_manager\\.'), listenersBefore);
  await idle.end();
  await busy.end();
});
