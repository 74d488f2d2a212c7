/**
 * How long nobody is let in when the brain that decides dies: three brains on one etcd, kill -9 of the leader again and
 * again in the middle of a flood, and each time until the next client is in.
 *
 *   node --import tsx test/bench/take-over.ts [KILLS]     one JSON line
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Crowd } from '../faults/crowd.js';
import type { Brain } from '../harness/brain.js';
import { stopEverything } from '../harness/ending.js';
import { runBuiltProgram } from '../harness/program.js';
import { edgeOf, severalBrains } from '../harness/several-brains.js';
import { waitUntil } from '../harness/wait-until.js';
import { percentile } from './statistics.js';

const kills = Number(process.argv[2] ?? 20);
const budget = 20;
const barMs = 5_000;
/** Before a fault, so that sessions come and go and clients wait. */
const heightMs = 1_000;
const account = { user: 'ann', password: 'correct horse', database: 'orders' };

async function leaderOf(brains: readonly Brain[]): Promise<Brain> {
  return waitUntil('a brain leads and admits', async () => {
    for (const brain of brains) {
      const status = await brain.status().catch(() => undefined);
      if (status?.leadership.role === 'leader' && status.targets.every(({ recovering }) => !recovering))
        return brain;
    }
    return undefined;
  });
}

runBuiltProgram();
try {
  const { orders, sluice, brains } = await severalBrains({
    count: 3,
    ...{ budget, reserve: 3, account },
    services: {
      checkout: { database: 'orders', max_connections: budget, max_queue: 1_000, timeout_ms: 120_000 },
    },
  });
  await Promise.all(['edge-2', 'edge-3'].map((node) => edgeOf(brains, node)));
  // It knows the first brain alone.
  await sluice.envoy.stop();

  const crowd = new Crowd(sluice, { service: 'checkout', account, clients: 100, workMs: [50, 300] });
  crowd.start();
  const tookMs: number[] = [];
  for (let kill = 0; kill < kills; kill += 1) {
    await waitUntil('clients are let in', () => crowd.served > budget);
    await pause(heightMs);
    const leader = await leaderOf(brains);
    const killedMs = performance.now();
    await leader.kill();
    // What it had granted is on its way for no longer than this.
    await pause(500);
    const quietMs = performance.now();
    await waitUntil('a client is let in', () => crowd.lastAdmittedMs > quietMs);
    tookMs.push(crowd.lastAdmittedMs - killedMs);
    await leader.startAgain();
    await leaderOf(brains);
  }
  const { refused, closed, cut } = crowd.take();
  await crowd.leave();
  const rounded = Math.round;
  process.stdout.write(
    `${JSON.stringify({
      kills,
      median_ms: rounded(percentile(tookMs, 0.5)),
      worst_ms: rounded(Math.max(...tookMs)),
      ...{ bar_ms: barMs, holds: Math.max(...tookMs) < barMs },
      refused: Object.fromEntries([...refused].map(([code, { count, text }]) => [`${code} ${text}`, count])),
      ...{
        closed: Object.fromEntries(closed),
        cut,
        budget,

        said_too_many: orders.server.hasSaidTooMany,
      },
      took_ms: tookMs.map(rounded),
    })}\n`,
  );
} finally {
  await stopEverything();
}
process.exit(0);
