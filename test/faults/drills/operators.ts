/** What operators do in the middle of a flood. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Drill, Stage } from '../drill.js';
import { type Field, service } from '../field.js';

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
  async fault(field, { watch, found }) {
    const seconds = Number(process.env.RESIZE_SECONDS ?? 60);
    let shrunk = 0;
    let drained = 0;
    for (let second = 0; second < seconds; second += 1) {
      const next = pause(1_000);
      if (second % 2 === 1) {
        resize(field, field.budget, watch);
      } else {
        shrunk += 1;
        if (await shrink(field, 1 + (second % 7), { watch, until: performance.now() + 950 })) drained += 1;
      }
      await next;
    }
    resize(field, field.budget, watch);
    const violations = drained * 2 < shrunk ? [`only ${drained} of ${shrunk} shrinks were seen through`] : [];
    found({ violations, figures: { shrunk, seen_drained: drained } });
  },
};

/** Growing: from now on there may be more. */
function resize(field: Field, limit: number, watch: Stage['watch']): void {
  watch.ceiling = Math.max(watch.ceiling, limit);
  save(field, limit);
}

/**
 * Once a lower limit is in force nobody is let in above it: there may be as many sessions as there were then, and once
 * they have left, no more than the limit, until there is another one.
 *
 * @returns whether they had left in time
 */
async function shrink(
  field: Field,
  limit: number,
  { watch, until }: { readonly watch: Stage['watch']; readonly until: number },
): Promise<boolean> {
  save(field, limit);
  while (performance.now() < until) {
    const { services } = await field.sluice.brain.status();
    const { max_connections: inForce, total } = services.find((row) => row.service === service)!;
    if (inForce === limit) watch.ceiling = Math.min(watch.ceiling, Math.max(limit, total));
    if (watch.ceiling === limit) return true;
    await pause(betweenLooksMs);
  }
  return false;
}

function save({ sluice: { file } }: Field, limit: number): void {
  file.spec.services![service]!.max_connections = limit;
  file.save();
}
