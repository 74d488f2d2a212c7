/**
 * `make bench`: Sluice beside what it is measured by, in one run (docs/performance.md). A table on stdout, the same as a
 * list in build/bench.json; the last line says how many bars hold. The exit code tells whether it could be measured, not
 * whether the bars hold: figures of a machine that does other things too fail no build.
 *
 *   ROUNDS=n     rounds, after one that is thrown away (5)
 *   SECONDS=n    of each measure at each front (4)
 *   IDLE=n       idle sessions that are weighed (1000)
 */
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { stopEverything } from '../harness/ending.js';
import { checkTimes } from './check-times.js';
import { decision } from './decision.js';
import { decisionFigures, figuresOf, shareFigure } from './figures.js';
import { startFronts, workers } from './fronts.js';
import { load } from './load.js';
import { type Figure, save, table, verdict } from './report.js';
import { pacedThreads, round, Samples } from './rounds.js';
import { median } from './statistics.js';

const rounds = positive('ROUNDS', 5);
const seconds = positive('SECONDS', 4);
const idle = positive('IDLE', 1000);
/** Beside those that are weighed: the other fronts' own, and those that are just ending. */
const spareSessions = 200;

function positive(name: string, otherwise: number): number {
  const value = Number(process.env[name] || otherwise);
  if (value > 0) return value;
  throw new Error(`${name}: expected a number above 0, found ${process.env[name]}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function loadAverage(): string {
  return loadavg()
    .map((value) => value.toFixed(2))
    .join(' ');
}

async function measured(): Promise<Figure[]> {
  const started = performance.now();
  const note = (text: string): void => {
    process.stderr.write(`${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${text}\n`);
  };
  note('starting');
  const { all, sluice } = await startFronts(idle + spareSessions);
  note('warming up');
  await round(1, all, { seconds: Math.min(2, seconds), idle }, new Samples(), () => {});
  const samples = new Samples();
  for (let number = 0; number < rounds; number++)
    await round(number, all, { seconds, idle }, samples, (what) =>
      note(`round ${number + 1} of ${rounds}: ${what}`),
    );
  note('checks as Envoy sees them');
  const rate = median(samples.of('envoy', 'connections')) / 2;
  const front = all.find(({ name }) => name === 'sluice')!;
  const shares = await checkTimes(sluice.envoy, () =>
    load(front, { mode: 'paced', threads: pacedThreads, seconds: 2 * seconds, rate }),
  );
  note('decisions');
  const decided = await decision(rounds, Math.round(500 * seconds));
  note('done');
  return [...figuresOf(samples), shareFigure(shares), ...decisionFigures(decided)];
}

try {
  say(
    `${availableParallelism()} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}; load ${loadAverage()}`,
  );
  say(
    `${rounds} rounds, ${seconds} s each; ${workers} workers each of Envoy and Traefik, PgBouncer has one; ${new Date().toISOString()}`,
  );
  const figures = await measured();
  save(figures);
  say(`\n${table(figures)}\n\nload ${loadAverage()}\n${verdict(figures)}`);
} finally {
  await stopEverything();
}
