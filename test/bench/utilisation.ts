/**
 * How much of a budget is used when more is asked for than there is, beside what would be used were it divided among the
 * nodes (design: "limits are not divided among nodes"). Real parts; the server's own log says when each session began and
 * ended. The division is computed, over the very sessions that were measured and with no dead time at all: the best that it
 * could do.
 *
 *   node --import tsx test/bench/utilisation.ts [SECONDS]     a table, and one JSON line last
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Crowd } from '../faults/crowd.js';
import { stopEverything } from '../harness/ending.js';
import { Envoy } from '../harness/envoy.js';
import { runBuiltProgram } from '../harness/program.js';
import { observer, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { divided } from './divided.js';
import { percentile } from './statistics.js';

const seconds = Number(process.argv[2] ?? 60);
const budget = 50;
const clients = 75;
const leastMs = 10_000;
const mostMs = 12_000;
const nodeCounts = [2, 10, 50] as const;
const account = { user: 'ann', password: 'correct horse', database: 'orders' };

/** A session as the server's log has it, in milliseconds of its clock. */
interface Logged {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Every session that has ended, of clients alone. */
function sessionsOf(log: string): Logged[] {
  const begun = new Map<string, number>();
  const sessions: Logged[] = [];
  for (const line of log.split('\n')) {
    const [, at, pid, user, text] = /^(\S+ \S+) UTC \[(\d+)\] (\S+)@\S+ LOG: {2}(.*)$/.exec(line) ?? [];
    if (at === undefined) continue;
    const ms = Date.parse(`${at.replace(' ', 'T')}Z`);
    // It has a slot from before this line on: the dead time that follows from it is too long rather than too short.
    if (text!.startsWith('connection authorized') && user === account.user) begun.set(pid!, ms);
    else if (text!.startsWith('disconnection') && begun.has(pid!)) {
      sessions.push({ fromMs: begun.get(pid!)!, toMs: ms });
      begun.delete(pid!);
    }
  }
  return sessions;
}

/** From each end to the beginning that took its place: the first after it that no earlier end has. */
function deadTimesMs(sessions: readonly Logged[], fromMs: number, toMs: number): number[] {
  const isWithin = (ms: number): boolean => ms >= fromMs && ms < toMs;
  const ends = sessions
    .map((session) => session.toMs)
    .filter(isWithin)
    .sort((a, b) => a - b);
  const begins = sessions
    .map((session) => session.fromMs)
    .filter((ms) => ms >= fromMs)
    .sort((a, b) => a - b);
  return ends.flatMap((end, i) => (begins[i] === undefined ? [] : [begins[i] - end]));
}

runBuiltProgram();
try {
  const orders = await protectedPostgres('orders', {
    budget,
    accounts: [{ name: account.user, password: account.password }],
    databases: [account.database],
    settings: { timezone: 'UTC', log_timezone: 'UTC' },
  });
  const sluice = await Sluice.start({
    databases: { orders },
    services: {
      checkout: { database: 'orders', max_connections: budget, max_queue: clients, timeout_ms: 120_000 },
    },
  });
  const second = await Envoy.start({ node: 'edge-2', xds: sluice.brain.xds, channel: sluice.brain.channel });
  await second.waitForListener('pg');
  await sluice.waitUntilInSync();
  const crowd = new Crowd(sluice, { service: 'checkout', account, clients, workMs: [leastMs, mostMs] });
  crowd.start();
  // Until the first have all gone: they came together, and end together.
  await pause(mostMs + 2_000);
  const fromMs = Date.now();
  const counts: number[] = [];
  while (Date.now() < fromMs + seconds * 1_000) {
    counts.push(await orders.server.count(undefined, [observer]));
    await pause(20);
  }
  const toMs = Date.now();
  await crowd.leave();
  const sessions = sessionsOf(orders.server.log);
  const dead = deadTimesMs(sessions, fromMs, toMs);
  const used = counts.reduce((sum, count) => sum + count, 0) / counts.length / budget;

  const result = {
    budget,
    clients,
    seconds,
    sessions: sessions.length,
    utilisation: Number(used.toFixed(4)),
    bar: 0.99,
    holds: used >= 0.99,
    most_at_once: Math.max(...counts),
    said_too_many: orders.server.hasSaidTooMany,
    turnovers: dead.length,
    dead_ms: { p50: percentile(dead, 0.5), p99: percentile(dead, 0.99) },
    divided: Object.fromEntries(
      nodeCounts.map((nodes) => [nodes, Number(divided(clients, budget, nodes).toFixed(4))]),
    ),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
} finally {
  await stopEverything();
}
