/** Networks that part: nothing comes through, nobody is told. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Drill } from '../drill.js';
import { type Field, parties } from '../field.js';

/** Longer than a session may go unreported, shorter than clients wait. */
const partedMs = 10_000;

export const networks: readonly Drill<Field>[] = [
  {
    name: 'brain and one Envoy parted',
    excuses: {},
    async fault({ links }) {
      links.brain.cut();
      await pause(partedMs);
      links.brain.mend();
    },
  },
  {
    name: 'brain and one Envoy cut off by resets, again and again',
    excuses: {},
    async fault({ links }) {
      for (let i = 0; i < 20; i += 1) {
        links.brain.breakOff();
        await pause(250);
      }
    },
  },
];

/** For a field with a link before the database. */
export const databaseReset: Drill<Field> = {
  name: 'database cut off by resets',
  // The link translates addresses: the row of one that was granted before the last reset is his for certain with his second report, an
  // interval behind the first.
  excuses: { refused: ['08006', '57P03'], closed: true, cut: true, settledWithinMs: 2_500 },
  async fault({ links }) {
    for (let i = 0; i < 10; i += 1) {
      links.database!.breakOff();
      await pause(500);
    }
  },
};

export const databaseNetworks: readonly Drill<Field>[] = [
  {
    name: 'database parted from Envoys and brain',
    excuses: { refused: ['08006', '57P03'], closed: true, cut: true },
    async fault({ links }) {
      links.database!.cut();
      await pause(partedMs);
      links.database!.mend();
    },
  },
  {
    name: 'database parted from the brain alone',
    excuses: {},
    async fault({ links }) {
      links.database!.cut(parties.brain);
      await pause(partedMs);
      links.database!.mend();
    },
  },
  {
    name: 'database parted from the Envoys alone',
    excuses: { refused: ['08006', '57P03'], closed: true, cut: true },
    async fault({ links }) {
      links.database!.cut(parties.envoys);
      await pause(partedMs);
      links.database!.mend();
    },
  },
  databaseReset,
];
