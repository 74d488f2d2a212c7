/** Processes that die, and processes that stand still. */
import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from '../../bench/statistics.js';
import type { MariaDb } from '../../harness/mariadb.js';
import type { Postgres } from '../../harness/postgres.js';
import { waitUntil } from '../../harness/wait-until.js';
import type { Drill } from '../drill.js';
import type { Field } from '../field.js';

/** Longer than a session may go unreported, shorter than clients wait. */
const standstillMs = 10_000;
const longStandstillMs = 60_000;

export const brainKilled: Drill<Field> = {
  name: 'brain killed, started again at once',
  excuses: {},
  async fault({ sluice }) {
    await sluice.brain.kill();
    await sluice.brain.startAgain();
  },
};

/** Whoever waits lives through several of them. */
export const brainKilledAgain: Drill<Field> = {
  name: 'brain killed twenty times, a second after clients are let in',
  excuses: {},
  async fault({ sluice }, { crowd, found }) {
    const tookMs: number[] = [];
    for (let kill = 0; kill < 20; kill += 1) {
      await pause(1_000);
      await sluice.brain.kill();
      const killedMs = performance.now();
      // What it had granted is on its way for no longer than this.
      await pause(500);
      await sluice.brain.startAgain();
      const backMs = performance.now();
      await waitUntil('a client is let in', () => crowd.lastAdmittedMs > backMs);
      tookMs.push(crowd.lastAdmittedMs - killedMs);
    }
    const [median, worst] = [percentile(tookMs, 0.5), Math.max(...tookMs)].map(Math.round);
    found({ figures: { kills: tookMs.length, median_again_ms: median!, worst_again_ms: worst! } });
  },
};

export const brainAway: Drill<Field> = {
  name: 'brain killed, away for five seconds',
  excuses: {},
  async fault({ sluice }, { found }) {
    await sluice.brain.kill();
    await pause(5_000);
    const from = performance.now();
    await sluice.brain.startAgain();
    found({ figures: { start_ms: Math.round(performance.now() - from) } });
  },
};

export const brainStopped: Drill<Field> = {
  name: 'brain stopped, goes on after ten seconds',
  excuses: {},
  async fault({ sluice }) {
    sluice.brain.signal('SIGSTOP');
    await pause(standstillMs);
    sluice.brain.signal('SIGCONT');
  },
};

export const envoyKilled: Drill<Field> = {
  name: 'Envoy killed, a new one in its place',
  excuses: { closed: true, cut: true },
  async fault(field) {
    await field.edge.kill();
    await pause(2_000);
    await field.replaceEdge();
  },
};

/** What it was granted waits in its socket, and has run out when it wakes: it opens nothing by it. */
export const envoyStopped: Drill<Field> = {
  name: 'Envoy stopped for a minute, answers in its socket',
  // Whoever was in his TLS handshake has no time left for it, and nothing could be said to him; nor has who was in his login.
  excuses: { refused: ['57P03', '1053', '57014', '1159'], closed: true },
  async fault(field, { crowd, found }) {
    const { sluice, edge, budget } = field;
    // One that has all of the budget leaves the other nothing to serve clients with.
    await waitUntil('sessions of both Envoys', async () => {
      const { rows } = await sluice.brain.sessions();
      return new Set(rows.map(({ node }) => node)).size > 1;
    });
    const before = crowd.served;
    const stoppedWith = await field.slots();
    edge.signal('SIGSTOP');
    await pause(longStandstillMs);
    const served = crowd.served - before;
    const violations: string[] = [];
    if (served < budget)
      violations.push(
        `only ${served} clients of the other Envoy served meanwhile: ${stoppedWith} before, ${await field.slots()} behind it`,
      );
    edge.signal('SIGCONT');
    found({ violations, figures: { served_meanwhile: served } });
  },
};

export const envoyStoppedShortly: Drill<Field> = {
  name: 'Envoy stopped, goes on after ten seconds',
  excuses: { refused: ['57P03', '1053'], closed: true },
  async fault({ edge }) {
    edge.signal('SIGSTOP');
    await pause(standstillMs);
    edge.signal('SIGCONT');
  },
};

export const databaseKilled: Drill<Field<Postgres>> = {
  name: 'database killed, started again',
  excuses: { refused: ['57P03', '08006', '57P01', '57P02'], closed: true, cut: true },
  async fault({ orders: { server } }) {
    await server.kill();
    await pause(1_000);
    await server.startAgain();
  },
};

export const databaseStopped: Drill<Field<Postgres>> = {
  name: 'database stopped with all its backends, goes on after ten seconds',
  excuses: { refused: ['08006', '57P03'] },
  async fault({ orders: { server } }) {
    server.signal('SIGSTOP');
    await pause(standstillMs);
    server.signal('SIGCONT');
  },
};

export const processes: readonly Drill<Field<Postgres>>[] = [
  brainKilledAgain,
  brainStopped,
  envoyKilled,
  envoyStoppedShortly,
  brainKilled,
  envoyStopped,
  databaseKilled,
  databaseStopped,
  brainAway,
];

export const mariaDbProcesses: readonly Drill<Field<MariaDb>>[] = [brainKilled, brainStopped, envoyKilled];
