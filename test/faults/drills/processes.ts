/** Processes that die, and processes that stand still. */
import { setTimeout as pause } from 'node:timers/promises';
import type { MariaDb } from '../../harness/mariadb.js';
import type { Postgres } from '../../harness/postgres.js';
import type { Drill } from '../drill.js';

/** Longer than a session may go unreported, shorter than clients wait. */
const standstillMs = 10_000;
const longStandstillMs = 60_000;

export const brainKilled: Drill = {
  name: 'brain killed, started again at once',
  excuses: {},
  async fault({ sluice }) {
    await sluice.brain.kill();
    await sluice.brain.startAgain();
  },
};

export const brainAway: Drill = {
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

export const brainStopped: Drill = {
  name: 'brain stopped, goes on after ten seconds',
  excuses: {},
  async fault({ sluice }) {
    sluice.brain.signal('SIGSTOP');
    await pause(standstillMs);
    sluice.brain.signal('SIGCONT');
  },
};

export const envoyKilled: Drill = {
  name: 'Envoy killed, a new one in its place',
  // Its sessions are taken for open until their node has said nothing of them for seven seconds.
  excuses: { closed: true, cut: true, settledWithinMs: 8_000 },
  async fault(field) {
    await field.edge.kill();
    await pause(2_000);
    await field.replaceEdge();
  },
};

/** What it was granted waits in its socket, and has run out when it wakes: it opens nothing by it. */
export const envoyStopped: Drill = {
  name: 'Envoy stopped for a minute, answers in its socket',
  // Whoever was in his TLS handshake has no time left for it, and nothing could be said to him.
  excuses: { refused: ['57P03', '1053'], closed: true },
  async fault({ edge, budget }, { crowd, found }) {
    const before = crowd.served;
    edge.signal('SIGSTOP');
    await pause(longStandstillMs);
    const served = crowd.served - before;
    edge.signal('SIGCONT');
    const violations = served < budget ? [`only ${served} clients of the other Envoy served meanwhile`] : [];
    found({ violations, figures: { served_meanwhile: served } });
  },
};

export const envoyStoppedShortly: Drill = {
  name: 'Envoy stopped, goes on after ten seconds',
  excuses: { refused: ['57P03', '1053'], closed: true },
  async fault({ edge }) {
    edge.signal('SIGSTOP');
    await pause(standstillMs);
    edge.signal('SIGCONT');
  },
};

export const databaseKilled: Drill<Postgres> = {
  name: 'database killed, started again',
  excuses: { refused: ['57P03', '08006', '57P01', '57P02'], closed: true, cut: true },
  async fault({ orders: { server } }) {
    await server.kill();
    await pause(1_000);
    await server.startAgain();
  },
};

export const databaseStopped: Drill<Postgres> = {
  name: 'database stopped with all its backends, goes on after ten seconds',
  excuses: { refused: ['08006', '57P03'] },
  async fault({ orders: { server } }) {
    server.signal('SIGSTOP');
    await pause(standstillMs);
    server.signal('SIGCONT');
  },
};

/**
 * Those of the brain have others between them: a check is tried thirty times in its life, and whoever waits through several
 * of its deaths is refused.
 */
export const processes: readonly Drill<Postgres>[] = [
  brainStopped,
  envoyKilled,
  envoyStoppedShortly,
  brainKilled,
  envoyStopped,
  databaseKilled,
  databaseStopped,
  brainAway,
];

export const mariaDbProcesses: readonly Drill<MariaDb>[] = [brainKilled, brainStopped, envoyKilled];
