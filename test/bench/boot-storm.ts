/**
 * A thousand honest clients come at once and log in, from one address and, alternating, from fifty: the door by which each
 * source comes in (pure/ledger/doors.ts) must not slow them. The last line is JSON.
 *
 *   node --import tsx test/bench/boot-storm.ts [ROUNDS]
 */
import net from 'node:net';
import { postgresClient } from '../e2e/sessions.js';

import { stopEverything } from '../harness/ending.js';
import { runBuiltProgram } from '../harness/program.js';
import { protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { median, percentile } from './statistics.js';

const rounds = Number(process.argv[2] ?? 3);
const clients = 1_000;
const budget = 40;
const account = { user: 'ann', password: 'correct horse', database: 'orders' };

function socketOf(localAddress: string): net.Socket {
  const socket = new net.Socket();
  const connect = socket.connect.bind(socket);
  socket.connect = ((port: number, host: string) =>
    connect({ port, host, localAddress })) as typeof socket.connect;
  return socket;
}

/** @returns seconds until the last one was served, and how long each waited for its login */
async function storm(
  sluice: Sluice,
  sources: number,
): Promise<{ readonly seconds: number; readonly waitsMs: number[] }> {
  const since = performance.now();
  const waitsMs: number[] = [];
  await Promise.all(
    Array.from({ length: clients }, async (_, i) => {
      const client = postgresClient(sluice, 'checkout', account, {
        stream: socketOf(`127.8.0.${1 + (i % sources)}`),
      });
      await client.connect();
      waitsMs.push(performance.now() - since);
      await client.query('SELECT 1');
      await client.end();
    }),
  );
  return { seconds: (performance.now() - since) / 1000, waitsMs };
}

runBuiltProgram();
try {
  const orders = await protectedPostgres('orders', {
    budget,
    accounts: [{ name: account.user, password: account.password }],
    databases: [account.database],
  });
  const sluice = await Sluice.start({
    databases: { orders },
    services: {
      checkout: { database: 'orders', max_connections: budget, max_queue: clients, timeout_ms: 120_000 },
    },
  });
  await storm(sluice, 1);
  const one: number[] = [];
  const many: number[] = [];
  const waitsMs: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const storms = round % 2 === 0 ? [1, 50] : [50, 1];
    for (const sources of storms) {
      const { seconds, waitsMs: waits } = await storm(sluice, sources);
      (sources === 1 ? one : many).push(seconds);
      if (sources === 1) waitsMs.push(...waits);
    }
  }
  const result = {
    name: `boot storm of ${clients}, budget ${budget}`,
    unit: 's',
    one_source: Number(median(one).toFixed(2)),
    fifty_sources: Number(median(many).toFixed(2)),
    ratio: Number((median(one) / median(many)).toFixed(3)),
    login_p50_ms: Math.round(percentile(waitsMs, 0.5)),
    login_p99_ms: Math.round(percentile(waitsMs, 0.99)),
    said_too_many: orders.server.hasSaidTooMany,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
} finally {
  await stopEverything();
}
