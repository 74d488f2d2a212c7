/** Two brains on one etcd: when the one that leads dies, the other admits within five seconds, and nobody is refused for it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Brain } from '../harness/brain.js';
import { stopEverything } from '../harness/ending.js';
import { peakWhile } from '../harness/peak.js';
import { edgeOf, severalBrains } from '../harness/several-brains.js';
import { waitUntil } from '../harness/wait-until.js';
import { fateOf, postgresSession } from './sessions.js';

const budget = 3;
const ann = { user: 'ann', password: 'correct horse', database: 'orders' };

after(stopEverything);

test('kill -9 of the leader, again and again: the other one admits within five seconds, and the budget holds', {
  timeout: 180_000,
}, async () => {
  const { orders, sluice, brains } = await severalBrains({
    count: 2,
    budget,
    account: ann,
    services: { checkout: { database: 'orders', max_connections: budget, timeout_ms: 60_000 } },
  });
  const [one, two] = brains as [Brain, Brain];
  await sluice.envoy.stop();
  await edgeOf(brains, 'edge-1');

  const roleOf = async (brain: Brain) => (await brain.status()).leadership.role;
  const took: number[] = [];
  for (let round = 0; round < 4; round++) {
    const [leader, other] = (await roleOf(one)) === 'leader' ? [one, two] : [two, one];
    await waitUntil('the other one follows', async () => (await other.status()).leadership.link?.open);
    await waitUntil('the leader is ready', async () =>
      (await leader.status()).targets.every((t) => t.recovering === false),
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
