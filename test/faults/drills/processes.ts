/** Processes that die, and processes that stand still. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Drill } from '../drill.js';

/** Longer than a session may go unreported, shorter than clients wait. */
const standstillMs = 10_000;

export const processes: readonly Drill[] = [
  {
    name: 'brain killed, started again at once',
    excuses: {},
    async fault({ sluice }) {
      await sluice.brain.kill();
      await sluice.brain.startAgain();
    },
  },
  {
    name: 'brain killed, away for five seconds',
    excuses: {},
    async fault({ sluice }) {
      await sluice.brain.kill();
      await pause(5_000);
      await sluice.brain.startAgain();
    },
  },
  {
    name: 'brain stopped, goes on after ten seconds',
    excuses: {},
    async fault({ sluice }) {
      sluice.brain.signal('SIGSTOP');
      await pause(standstillMs);
      sluice.brain.signal('SIGCONT');
    },
  },
  {
    name: 'Envoy killed, a new one in its place',
    excuses: { closed: true, cut: true },
    async fault(field) {
      await field.edge.kill();
      await pause(2_000);
      await field.replaceEdge();
    },
  },
  {
    name: 'Envoy stopped, goes on after ten seconds',
    // What it was granted has run out when it wakes: it opens nothing by it.
    excuses: { refused: ['57P03'] },
    async fault({ edge }) {
      edge.signal('SIGSTOP');
      await pause(standstillMs);
      edge.signal('SIGCONT');
    },
  },
  {
    name: 'database killed, started again',
    excuses: { refused: ['57P03', '08006', '57P01', '57P02'], closed: true, cut: true },
    async fault({ orders: { server } }) {
      await server.kill();
      await pause(1_000);
      await server.startAgain();
    },
  },
  {
    name: 'database stopped with all its backends, goes on after ten seconds',
    excuses: { refused: ['08006', '57P03'] },
    async fault({ orders: { server } }) {
      server.signal('SIGSTOP');
      await pause(standstillMs);
      server.signal('SIGCONT');
    },
  },
];
