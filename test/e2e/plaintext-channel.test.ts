/** Brain and node on one machine, without certificates: asked for, and otherwise like any other. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import { protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { backendOf, postgresSession } from './sessions.js';

const account = { user: 'ann', password: 'correct horse', database: 'orders' };

after(stopEverything);

test('a node on loopback is served without certificates, and is who it says it is', {
  timeout: 60_000,
}, async () => {
  const orders = await protectedPostgres('orders', {
    budget: 5,
    accounts: [{ name: account.user, password: account.password }],
    databases: ['orders'],
  });
  const sluice = await Sluice.start({
    databases: { orders },
    services: { checkout: { database: 'orders', max_connections: 5 } },
    plaintext: true,
  });
  const session = await postgresSession(sluice, 'checkout', account);
  const [held] = (await sluice.brain.sessions()).rows;
  assert.equal(held?.node, 'edge-1');
  assert.ok((await backendOf(session)) > 0);
  assert.equal((await sluice.brain.status()).channel.tls, false);
  await session.end();
});
