/** An answer that was stuck: a node that stood still finds a grant that is over, and opens nothing by it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import { protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { postgresSession } from './sessions.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };

after(stopEverything);

test('a grant that a node finds when it goes on after standing still for longer than the grant opens nothing', {
  timeout: 120_000,
}, async () => {
  const orders = await protectedPostgres('orders', {
    budget: 5,
    accounts: [{ name: 'ann', password }],
    databases: ['orders'],
  });
  const sluice = await Sluice.start({
    databases: { orders },
    services: { checkout: { database: 'orders', max_connections: 1, timeout_ms: 60_000 } },
  });
  const checkout = async () =>
    (await sluice.brain.status()).services.find(({ service }) => service === 'checkout')!;
  const holder = await postgresSession(sluice, 'checkout', ann);
  const coming = assert.rejects(postgresSession(sluice, 'checkout', ann), {
    code: '57P03',
    message: /the grant expired before it could be used/,
  });
  await sluice.brain.waitForWaiters('checkout', 1);

  sluice.envoy.signal('SIGSTOP');
  sluice.file.spec.services!.checkout!.max_connections = 2;
  sluice.file.save();
  await waitUntil('leave is given, and lies in the socket', async () => (await checkout()).granted === 1);
  await waitUntil('the ledger takes it for lost', async () => (await checkout()).granted === 0);
  // Nobody is there who could give another.
  process.kill(sluice.brain.pid, 'SIGSTOP');
  sluice.envoy.signal('SIGCONT');
  await coming;
  process.kill(sluice.brain.pid, 'SIGCONT');
  assert.equal(await orders.server.count('ann'), 1);
  await holder.end();
});
