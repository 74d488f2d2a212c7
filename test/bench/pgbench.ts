/** Debian's pgbench with a libpq that can begin with TLS (setup/libpq.sh): reads of one row each, by its own script. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Postgres } from '../harness/postgres.js';
import { scratchFolder } from '../harness/scratch.js';
import { account, database, type Front } from './front.js';

const run = promisify(execFile);
const top = path.resolve(import.meta.dirname, '../..');
const environment = { ...process.env, PGPASSWORD: account.password };

/** More than the workers of any front, so that none of them is idle while another is busy. */
const clients = 32;
const threads = 4;
/** Of the transactions whose time is written down. */
const sampled = 0.1;

export interface Steady {
  readonly perSecond: number;
  /** Of single queries. */
  readonly latenciesMs: readonly number[];
}

/** Fills the database as pgbench wants it. */
export async function fill(server: Postgres): Promise<void> {
  await server.query(`ALTER DATABASE ${database} OWNER TO ${account.name}`);
  const at = ['-h', server.host, '-p', String(server.port), '-U', account.name];
  await run('pgbench', ['--initialize', '--quiet', ...at, database], { env: environment });
}

export async function steady(front: Front, seconds: number): Promise<Steady> {
  const folder = scratchFolder('pgbench');
  const negotiation = front.direct ? 'sslnegotiation=direct' : '';
  const target = `host=${front.hostname} hostaddr=${front.host} port=${front.port} user=${account.name} dbname=${database} sslmode=require ${negotiation}`;
  const { stdout } = await run(
    'pgbench',
    [
      ...['--no-vacuum', '--select-only', '--protocol=prepared', '--log', `--log-prefix=${folder}/log`],
      ...[
        `--sampling-rate=${sampled}`,
        `--client=${clients}`,
        `--jobs=${threads}`,
        `--time=${seconds}`,
        target,
      ],
    ],
    { env: { ...environment, LD_LIBRARY_PATH: path.join(top, 'build/libpq') } },
  );
  const perSecond = Number(/tps = ([\d.]+) \(without initial connection time\)/.exec(stdout)?.[1]);
  if (!(perSecond > 0) || !stdout.includes('number of failed transactions: 0 '))
    throw new Error(`pgbench through ${front.name} says:\n${stdout}`);
  return { perSecond, latenciesMs: readdirSync(folder).flatMap((name) => timesIn(path.join(folder, name))) };
}

/** Lines of `client transaction time(µs) script epoch µs`. */
function timesIn(file: string): number[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => Number(line.split(' ')[2]) / 1000);
}
