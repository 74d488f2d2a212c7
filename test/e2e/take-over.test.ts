/** Two brains on one etcd: when the one that leads dies, the other admits within five seconds, and nobody is refused for it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Brain } from '../harness/brain.js';
import { stopEverything } from '../harness/ending.js';
import { Envoy } from '../harness/envoy.js';
import { Etcd } from '../harness/etcd.js';
import { peakWhile } from '../harness/peak.js';
import { protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { fateOf, postgresSession } from './sessions.js';

const password = 'correct horse';
const budget = 3;
/** The harness's own session and two brains' observers: what is lost with a brain is proven by a second connection. */
const reserve = 5;
const ann = { user: 'ann', password, database: 'orders' };

after(stopEverything);

test('kill -9 of the leader, again and again: the other one admits within five seconds, and the budget holds', {
  timeout: 180_000,
}, async () => {
  const [etcd, orders] = await Promise.all([
    Etcd.start(),
    protectedPostgres('orders', {
      budget,
      reserve,
      accounts: [{ name: 'ann', password }],
      databases: ['orders'],
    }),
  ]);
  const store = `etcd:${etcd.urls}`;
  const sluice = await Sluice.start({
    databases: { orders },
    services: { checkout: { database: 'orders', max_connections: budget, timeout_ms: 60_000 } },
    store,
  });
  const one = sluice.brain;
  const two = await Brain.start(sluice.file.path, { beside: one, store, id: 'brain-2' });
  await sluice.envoy.stop();
  const envoy = await Envoy.start({ node: 'edge-1', xds: [one.xds, two.xds], channel: one.channel });
  await envoy.waitForListener('pg');

  const roleOf = async (brain: Brain) => (await brain.status()).leadership.role;
  const took: number[] = [];
  for (let round = 0; round < 4; round++) {
    const [leader, other] = (await roleOf(one)) === 'leader' ? [one, two] : [two, one];
    await waitUntil('the other one follows', async () => (await roleOf(other)) === 'follower');
    await waitUntil('the leader is ready', async () =>
      (await leader.status()).targets.every((t) => !t.recovering),
    );
    const killed = performance.now();
    await leader.kill();
    // More than there are slots: of these three get in, and the others when those have left.
    const come = () =>
      fateOf(async () => {
        const session = await postgresSession(sluice, 'checkout', ann);
        took[round] ??= performance.now() - killed;
        await session.query('SELECT pg_sleep(0.1)');
        await session.end();
      });
    const { peak, result: fates } = await peakWhile(
      () => orders.server.count(ann.user),
      () => Promise.all(Array.from({ length: 2 * budget }, come)),
    );
    for (const fate of fates) assert.deepEqual(fate, { served: true });
    assert.ok(peak <= budget, `${peak} sessions at once`);
    assert.ok(took[round]! < 5_000, `admitted ${took[round]} ms after the kill`);
    assert.equal(await roleOf(other), 'leader');
    await leader.startAgain();
  }
});
