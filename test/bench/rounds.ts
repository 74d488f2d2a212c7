/**
 * One round: every measure at every front, one after the other. Rounds alternate the fronts, so that whatever else the
 * machine does meets all of them alike, and what is compared was measured within the same minute.
 */
import type { Front, FrontName } from './front.js';
import { HeldSessions, load } from './load.js';
import { steady } from './pgbench.js';
import { cpuMs, residentKib } from './process-cost.js';
import { percentile } from './statistics.js';

export const measures = [
  'queries', // a second
  'query p50',
  'query p99',
  'copy out', // MB a second
  'copy in',
  'connections', // a second
  'login p50', // within a storm
  'login p99',
  'client', // ms of processor time a connection
  'paced p50',
  'paced p99',
  'memory', // KiB an idle session
] as const;
/** Processor time a connection is kept as `cpu PROCESS`, in ms. */
export type Measure = (typeof measures)[number] | `cpu ${string}`;

export class Samples {
  readonly #of = new Map<string, number[]>();

  add(front: FrontName, measure: Measure, value: number): void {
    const key = `${front}/${measure}`;
    const samples = this.#of.get(key);
    if (samples) samples.push(value);
    else this.#of.set(key, [value]);
  }

  /** One for each round, in their order. */
  of(front: FrontName, measure: Measure): readonly number[] {
    return this.#of.get(`${front}/${measure}`) ?? [];
  }
}

export interface Lengths {
  /** Of each measure at each front. */
  readonly seconds: number;
  /** Idle sessions that are weighed. */
  readonly idle: number;
}

/** Enough to keep two workers busy, and few enough that a login is not mostly the wait for a processor. */
const stormThreads = 16;
const copyThreads = 4;
/** Whole seconds, the time to connect included. */
const shortestSteady = 2;
/** So many that a front which stalls for a second still finds somebody who sends on time. */
export const pacedThreads = 256;

/** Each measure at all fronts; the first front is another one in each round. */
export async function round(
  number: number,
  fronts: readonly Front[],
  { seconds, idle }: Lengths,
  samples: Samples,
  say: (what: string) => void,
): Promise<void> {
  const first = number % fronts.length;
  const order = [...fronts.slice(first), ...fronts.slice(0, first)];
  const atEach = async (what: string, measure: (front: Front) => Promise<void>): Promise<void> => {
    say(what);
    for (const front of order) await measure(front);
  };
  await atEach('queries', async (front) => {
    const { perSecond, latenciesMs } = await steady(front, Math.max(shortestSteady, Math.round(seconds)));
    samples.add(front.name, 'queries', perSecond);
    samples.add(front.name, 'query p50', percentile(latenciesMs, 0.5));
    samples.add(front.name, 'query p99', percentile(latenciesMs, 0.99));
  });
  for (const mode of ['out', 'in'] as const)
    await atEach(`copy ${mode}`, async (front) => {
      const { bytes, seconds: took } = await load(front, {
        mode,
        threads: copyThreads,
        seconds: seconds / 2,
      });
      samples.add(front.name, `copy ${mode}`, bytes / took / 1e6);
    });
  await atEach('new connections', (front) => storm(front, seconds, samples));
  // The machine is not as fast in each round.
  const rate = Math.max(1, samples.of('envoy', 'connections').at(-1)! / 2);
  await atEach(`new connections at ${Math.round(rate)}/s`, async (front) => {
    const { latenciesMs } = await load(front, { mode: 'paced', threads: pacedThreads, seconds, rate });
    samples.add(front.name, 'paced p50', percentile(latenciesMs, 0.5));
    samples.add(front.name, 'paced p99', percentile(latenciesMs, 0.99));
  });
  // Memory that was used once is not given back, so only the first time shows what sessions take.
  if (number === 0) await atEach(`${idle} idle sessions`, (front) => weigh(front, idle, samples));
}

async function storm(front: Front, seconds: number, samples: Samples): Promise<void> {
  const processes = Object.entries(front.processes);
  const before = processes.map(([, pid]) => cpuMs(pid));
  const stormed = await load(front, { mode: 'storm', threads: stormThreads, seconds });
  const count = stormed.latenciesMs.length;
  for (const [at, [name, pid]] of processes.entries())
    samples.add(front.name, `cpu ${name}`, (cpuMs(pid) - before[at]!) / count);
  samples.add(front.name, 'connections', count / stormed.seconds);
  samples.add(front.name, 'login p50', percentile(stormed.latenciesMs, 0.5));
  samples.add(front.name, 'login p99', percentile(stormed.latenciesMs, 0.99));
  samples.add(front.name, 'client', stormed.cpuMs / count);
}

async function weigh(front: Front, idle: number, samples: Samples): Promise<void> {
  const weight = (): number => Object.values(front.processes).reduce((sum, pid) => sum + residentKib(pid), 0);
  const before = weight();
  const held = await HeldSessions.open(front, idle);
  samples.add(front.name, 'memory', (weight() - before) / idle);
  await held.release();
}
