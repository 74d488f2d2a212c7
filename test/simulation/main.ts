/**
 * `make sim`: the shipped ledger in many worlds, one a seed, over all cores.
 *
 *   SEEDS=10000 FROM=1 EVENTS=1000 JOBS=4     how many, from which on, how long, in how many threads
 *   --keep                                    a failing seed, made small, becomes a case in regressions/
 *
 * The last line on stdout is one JSON object; the exit code is 1 where an invariant was violated, or nothing was tried.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { invariantOf, leastLength, record, replay } from './play.js';
import { shrink } from './shrink.js';
import type { Failure, Findings, Stretch } from './worker.js';

/** Between two reports, and so between two looks at whether there is more to do. */
const stretchSize = 100;
const progressMs = 10_000;
/** After so many the rest is of the same kind. */
const mostFailures = 20;
const mostShrunk = 3;
const mostLines = 400;
/** A schedule leaves little behind: the more of them between two collections, the less there is to copy. */
const youngMb = 192;

/** Of the sources, wherever this runs. */
const regressions = path.resolve('test/simulation/regressions');

interface Sum {
  schedules: number;
  events: number;
  faults: number;
  grants: number;
  leastEvents: number;
  leastFaults: number;
  readonly failures: Failure[];
}

function setting(name: string, otherwise: number): number {
  const given = process.env[name];
  if (given === undefined || given === '') return otherwise;
  const value = Number(given);
  if (Number.isSafeInteger(value) && value > 0) return value;
  process.stderr.write(`${name}: a whole number above 0 is expected, found "${given}"\n`);
  process.exit(2);
}

async function run(seeds: number, from: number, events: number, jobs: number): Promise<Sum> {
  const failures: Failure[] = [];
  const sum = {
    schedules: 0,
    events: 0,
    faults: 0,
    grants: 0,
    leastEvents: Infinity,
    leastFaults: Infinity,
    failures,
  };
  const startedMs = performance.now();
  let next = from;
  const progress = setInterval(() => say(sum, seeds, startedMs), progressMs);
  const stretch = (): Stretch | undefined => {
    const count = Math.min(stretchSize, from + seeds - next);
    if (count <= 0 || failures.length >= mostFailures) return undefined;
    next += count;
    return { from: next - count, count, length: { ...leastLength, events } };
  };
  await Promise.all(Array.from({ length: jobs }, () => work(stretch, (found) => add(sum, found))));
  clearInterval(progress);
  return sum;
}

function work(stretch: () => Stretch | undefined, found: (findings: Findings) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: youngMb },
    });
    const go = (): void => {
      const next = stretch();
      if (next) worker.postMessage(next);
      else void worker.terminate().then(() => resolve());
    };
    worker.on('message', (findings: Findings) => {
      found(findings);
      go();
    });
    worker.once('error', reject);
    go();
  });
}

function add(sum: Sum, found: Findings): void {
  for (const key of ['schedules', 'events', 'faults', 'grants'] as const) sum[key] += found[key];
  for (const key of ['leastEvents', 'leastFaults'] as const) sum[key] = Math.min(sum[key], found[key]);
  sum.failures.push(...found.failures);
}

function say({ schedules, events, failures }: Sum, seeds: number, startedMs: number): void {
  const perSecond = Math.round((1_000 * events) / (performance.now() - startedMs));
  process.stderr.write(
    `${schedules} of ${seeds} schedules, ${perSecond} events/s, ${failures.length} violations\n`,
  );
}

function explain({ seed, violation }: Failure, events: number, keep: boolean): void {
  const invariant = invariantOf(violation);
  process.stderr.write(`\nseed ${seed}: ${violation}\n`);
  const script = record(seed, { ...leastLength, events });
  const small = shrink(script, invariant);
  const lines: string[] = [];
  const { violation: shrunk } = replay(small, undefined, (line) => lines.push(line));
  process.stderr.write(
    `  of ${script.happenings.length} happenings ${small.happenings.length} are left: ${shrunk}\n` +
      lines
        .slice(-mostLines)
        .map((line) => `  ${line}\n`)
        .join(''),
  );
  if (!keep) return;
  const file = path.join(regressions, `${invariant.toLowerCase()}-${seed}.json`);
  writeFileSync(file, `${JSON.stringify({ violated: shrunk, script: small }, undefined, 1)}\n`);
  process.stderr.write(`  kept as ${path.relative('.', file)}\n`);
}

const keep = process.argv.includes('--keep');
const from = setting('FROM', 1);
const events = setting('EVENTS', leastLength.events);
const jobs = setting('JOBS', availableParallelism());
const startedMs = performance.now();
const sum = await run(setting('SEEDS', 10_000), from, events, jobs);
const seconds = (performance.now() - startedMs) / 1_000;
for (const failure of sum.failures.slice(0, mostShrunk)) explain(failure, events, keep);
const { failures, ...counts } = sum;
process.stdout.write(
  `${JSON.stringify({
    schedules: counts.schedules,
    events: counts.events,
    faults: counts.faults,
    grants: counts.grants,
    least_events: counts.leastEvents,
    least_faults: counts.leastFaults,
    from,
    violations: failures.length,
    failing_seeds: failures.map(({ seed }) => seed),
    seconds: Math.round(seconds * 10) / 10,
    cores: jobs,
    events_per_second: Math.round(counts.events / seconds),
  })}\n`,
);
process.exitCode = failures.length > 0 || counts.schedules === 0 ? 1 : 0;
