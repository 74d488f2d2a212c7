/** What operators do in the middle of a flood. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Drill } from '../drill.js';
import { budget, service } from '../field.js';

export const operators: readonly Drill[] = [
  {
    name: 'no fault',
    excuses: {},
    async fault() {
      await pause(5_000);
    },
  },
  {
    name: 'a resize every second',
    excuses: {},
    async fault({ sluice }) {
      const seconds = Number(process.env.RESIZE_SECONDS ?? 60);
      for (let second = 0; second < seconds; second += 1) {
        sluice.file.spec.services![service]!.max_connections = second % 2 === 0 ? 1 + (second % 7) : budget;
        sluice.file.save();
        await pause(1_000);
      }
      sluice.file.spec.services![service]!.max_connections = budget;
      sluice.file.save();
    },
  },
];
