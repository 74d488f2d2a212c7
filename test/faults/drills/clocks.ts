/** A wall clock that jumps; for a field whose brain has one of its own. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Drill } from '../drill.js';
import type { Field } from '../field.js';

/** Past the second within which libfaketime reads the new offset. */
const followedMs = 4_000;

export const clocks: readonly Drill<Field>[] = [
  {
    name: 'wall clock of the brain jumps by an hour, forth and back and behind',
    excuses: {},
    async fault(field, { found }) {
      let seen = 0;
      for (const offset of ['+3600', '+0', '-3600', '+0']) {
        field.setClock(offset);
        await pause(followedMs);
        const { now } = await field.sluice.brain.status();
        if (Math.abs(Date.parse(now) - Date.now() - Number(offset) * 1_000) < 60_000) seen += 1;
      }
      found({
        violations: seen === 4 ? [] : [`only ${seen} of 4 jumps reached the brain: nothing was tried`],
        figures: { jumps: seen },
      });
    },
  },
];
