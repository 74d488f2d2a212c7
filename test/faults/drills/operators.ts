/** What operators do in the middle of a flood. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Drill, Stage } from '../drill.js';
import { type Ground, service } from '../ground.js';

const betweenLooksMs = 20;

export const quiet: Drill = {
  name: 'no fault',
  excuses: {},
  async fault() {
    await pause(5_000);
  },
};

export const resizes: Drill = {
  name: 'a resize every second',
  excuses: {},
  async fault(ground, { watch, found }) {
    const { shrunk, drained } = await resizeEachSecond(
      ground,
      watch,
      Number(process.env.RESIZE_SECONDS ?? 60),
    );
    const violations = drained * 2 < shrunk ? [`only ${drained} of ${shrunk} shrinks were seen through`] : [];
    found({ violations, figures: { shrunk, seen_drained: drained } });
  },
};

/** @returns how often it shrank, and how often all who were too many were seen to have left before the next. */
export async function resizeEachSecond(
  ground: Ground,
  watch: Stage['watch'],
  seconds: number,
): Promise<{ readonly shrunk: number; readonly drained: number }> {
  let shrunk = 0;
  let drained = 0;
  for (let second = 0; second < seconds; second += 1) {
    const next = pause(1_000);
    if (second % 2 === 1) {
      await resize(ground, ground.budget, watch);
    } else {
      shrunk += 1;
      if (await shrink(ground, 1 + (second % 7), { watch, until: performance.now() + 950 })) drained += 1;
    }
    await next;
  }
  await resize(ground, ground.budget, watch);
  return { shrunk, drained };
}

/** Growing: from now on there may be more. */
async function resize(ground: Ground, limit: number, watch: Stage['watch']): Promise<void> {
  watch.ceiling = Math.max(watch.ceiling, limit);
  await save(ground, limit);
}

/**
 * Once a lower limit is in force nobody is let in above it: there may be as many sessions as there were then, and once
 * they have left, no more than the limit, until there is another one.
 *
 * @returns whether they had left in time
 */
async function shrink(
  ground: Ground,
  limit: number,
  { watch, until }: { readonly watch: Stage['watch']; readonly until: number },
): Promise<boolean> {
  await save(ground, limit);
  while (performance.now() < until) {
    const seen = await taken(ground).catch(() => undefined);
    if (seen?.inForce === limit) watch.ceiling = Math.min(watch.ceiling, Math.max(limit, seen.slots));
    if (watch.ceiling === limit) return true;
    await pause(betweenLooksMs);
  }
  return false;
}

/** @returns undefined while the one who decides has yet to count. */
async function taken(
  ground: Ground,
): Promise<{ readonly inForce: number; readonly slots: number } | undefined> {
  const { services, targets } = await (await ground.leader()).status();
  if (targets.some(({ recovering }) => recovering !== false)) return undefined;
  const { max_connections: inForce, total } = services.find((row) => row.service === service)!;
  return { inForce, slots: targets.reduce((sum, { unclaimed }) => sum + unclaimed!, total!) };
}

function save(ground: Ground, limit: number): Promise<void> {
  ground.sluice.file.spec.services![service]!.max_connections = limit;
  return ground.save();
}
