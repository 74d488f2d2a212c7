/**
 * What one new connection costs the brain and Envoy in CPU: `pgbench -C` through the whole of it, each transaction a
 * connection of its own (TLS, SCRAM), with and without a queue. Prints one JSON line for each run.
 *
 * The brain is the one that set-up has built. `make bench` measures the same beside other proxies; here a queue comes in.
 *
 *   make setup && node --import tsx test/bench/connection-cost.ts [SECONDS]
 */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { stopEverything } from '../harness/ending.js';
import { runBuiltProgram } from '../harness/program.js';
import { protectedPostgres } from '../harness/protected-database.js';
import { scratchFolder } from '../harness/scratch.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';

const run = promisify(execFile);
const seconds = Number(process.argv[2] ?? 10);
const password = 'correct horse';

/** What the design allows the brain for one connection. */
const barMs = 0.4;

/** User and system time of a process with all its threads, in milliseconds. */
function cpuMs(pid: number): number {
  // Behind the program's name, which may hold anything; ticks are hundredths of a second.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const script = path.join(scratchFolder('script'), 'select.sql');
writeFileSync(script, 'SELECT 1;\n');

const orders = await protectedPostgres('orders', {
  budget: 40,
  accounts: [{ name: 'ann', password }],
  databases: ['orders'],
});
const patient = { database: 'orders', max_queue: 1_000, timeout_ms: 60_000 };
runBuiltProgram();
const sluice = await Sluice.start({
  databases: { orders },
  services: {
    free: { ...patient, max_connections: 32 },
    queued: { ...patient, max_connections: 4 },
  },
});

async function bench(service: string, clients: number, forSeconds: number): Promise<string> {
  const target = `host=${hostnameOf(service)} hostaddr=${sluice.host} port=${sluice.ports.pg} user=ann dbname=orders sslmode=require`;
  // A thread each: pgbench connects one after the other in a thread, and would hold slots while it waits for one.
  const args = [
    '-n',
    '-C',
    '-c',
    String(clients),
    '-j',
    String(clients),
    '-T',
    String(forSeconds),
    '-f',
    script,
  ];
  const child = run('pgbench', [...args, target], {
    env: { ...process.env, PGPASSWORD: password },
  });
  return (await child).stdout;
}

async function overflows(): Promise<number> {
  const stats = await sluice.envoy.stats('^cluster.service/.*overflow$');
  return Object.values(stats).reduce((sum, value) => sum + value, 0);
}

try {
  // Warm: compiled, and the certificates known.
  await bench('free', 8, Math.max(3, seconds));
  for (const service of ['free', 'queued']) {
    const before = [cpuMs(sluice.brain.pid), cpuMs(sluice.envoy.pid)] as const;
    const report = await bench(service, 8, seconds);
    const connections = Number(/processed: (\d+)/.exec(report)?.[1]);
    const brainMs = (cpuMs(sluice.brain.pid) - before[0]) / connections;
    const envoyMs = (cpuMs(sluice.envoy.pid) - before[1]) / connections;
    const result = {
      name: `connection cost, ${service}`,
      unit: 'ms CPU of the brain',
      sluice: Number(brainMs.toFixed(3)),
      bar: barMs,
      holds: brainMs <= barMs,
      envoy_ms: Number(envoyMs.toFixed(3)),
      per_second: Math.round(connections / seconds),
      said_too_many: orders.server.hasSaidTooMany,
      closed_by_breakers: await overflows(),
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
} finally {
  await stopEverything();
}
