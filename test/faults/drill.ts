/**
 * One drill: a fault in the middle of a flood, and what must hold of it. The judge of the budget is the database: it has
 * room for not one session more, so a single "too many" in its log fails the drill.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { defaultSettings } from '../../xds-server/pure/ledger/settings.js';
import { percentile } from '../bench/statistics.js';
import { waitUntil } from '../harness/wait-until.js';
import type { Crowd } from './crowd.js';
import { type Ground, timeoutMs } from './ground.js';
import { saidTooMany } from './judge.js';
import { Watch } from './watch.js';

export interface Drill<On extends Ground = Ground> {
  readonly name: string;
  /** What this fault may do to clients; everything else is a violation. A refusal is by SQLSTATE or errno. */
  readonly excuses: {
    readonly refused?: readonly string[];
    /** Closed before their login was through: their Envoy died, or was cut off from the server. */
    readonly closed?: boolean;
    /** Sessions that broke. */
    readonly cut?: boolean;
    /** How long slots may stay taken that nobody has, where it is more than a report interval. */
    readonly settledWithinMs?: number;
  };
  /** Resolves when the fault is over. */
  fault(ground: On, stage: Stage): Promise<void>;
}

export interface Stage {
  readonly crowd: Crowd;
  readonly watch: Watch;
  /** What this drill has seen beside what each is asked. */
  found(findings: Findings): void;
}

export interface Findings {
  readonly violations?: readonly string[];
  readonly figures?: Readonly<Record<string, number>>;
}

export interface Outcome {
  readonly drill: string;
  readonly violations: readonly string[];
  readonly served: number;
  readonly wait_ms: Spread;
  readonly refused: Readonly<Record<string, { readonly clients: number; readonly most_ms: number }>>;
  readonly closed: Readonly<Record<string, number>>;
  readonly cut: number;
  readonly budget: number;
  /** The most sessions that the database has counted. */
  readonly peak: number;
  readonly looks: number;
  /** From the end of the fault to the next client's login. */
  readonly again_ms: number;
  /** From then until the ledger's count was the database's (I4). */
  readonly settled_ms: number;
  readonly figures: Readonly<Record<string, number>>;
}

export interface Spread {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly most: number;
}

/** The flood is at its height before a fault, and goes on behind it. */
const heightMs = 2_000;
const againWithinMs = 60_000;
/** Within one report interval behind a fault slots are sessions. */
const settledBarMs = defaultSettings.reportIntervalMs;
const settledAtLastMs = 90_000;
/** A client hears that its time is up so much later, on a busy machine. */
const lateMs = 5_000;

export async function hold<On extends Ground>(
  { name, excuses, fault }: Drill<On>,
  ground: On,
  crowd: Crowd,
): Promise<Outcome> {
  const { budget } = ground;
  const { server } = ground.orders;
  const saidBefore = await saidTooMany(server);
  const watch = new Watch(() => ground.sessions(), budget);
  crowd.take();
  await pause(heightMs);
  const violations: string[] = [];
  const figures: Record<string, number> = {};
  const found = (findings: Findings): void => {
    violations.push(...(findings.violations ?? []));
    Object.assign(figures, findings.figures);
  };
  await fault(ground, { crowd, watch, found });
  const overMs = performance.now();
  const note = (what: string) => (error: unknown) => {
    violations.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  };
  await waitUntil('a client is let in again', () => crowd.lastAdmittedMs > overMs, againWithinMs).catch(
    note('I3'),
  );
  const againMs = crowd.lastAdmittedMs - overMs;
  crowd.freeze();
  const frozenMs = performance.now();
  const { settledWithinMs = settledBarMs } = excuses;
  let last = '';
  await waitUntil(
    'the ledger counts what the database counts',
    async () => {
      const [grants, sessions] = await Promise.all([ground.grants(), ground.sessions()]);
      if (grants === sessions) return true;
      if (performance.now() - frozenMs > settledWithinMs)
        last = `${sessions} sessions, ${await ground.slots()}`;
      return false;
    },
    settledAtLastMs,
  ).catch(note('I4'));
  const settledMs = performance.now() - frozenMs;
  if (settledMs > settledWithinMs) violations.push(`I4: settled after ${round(settledMs)} ms; ${last}`);
  crowd.release();
  await pause(heightMs);
  await watch.stop();
  const { waitsMs, refused, closed, cut } = crowd.take();

  if (watch.excess) violations.push(`I1: ${watch.excess}`);
  const said = await saidTooMany(server);
  if (said !== undefined && said !== saidBefore) violations.push(`I1: ${said}`);
  for (const [code, { count, text }] of refused)
    if (!excuses.refused?.includes(code))
      violations.push(`I3: ${count} clients refused by ${code} (${text})`);
  const mostMs = Math.max(0, ...waitsMs, ...[...refused.values()].map((each) => each.mostMs));
  if (mostMs > timeoutMs + lateMs)
    violations.push(`I3: a client waited ${round(mostMs)} ms, its time is ${timeoutMs}`);
  for (const [text, count] of closed)
    if (!excuses.closed) violations.push(`I3: ${count} clients closed without a word (${text})`);
  if (cut > 0 && !excuses.cut) violations.push(`I6: ${cut} sessions broke`);
  return {
    drill: name,
    violations,
    served: waitsMs.length,
    wait_ms: spreadOf(waitsMs),
    refused: Object.fromEntries(
      [...refused].map(([code, each]) => [code, { clients: each.count, most_ms: round(each.mostMs) }]),
    ),
    closed: Object.fromEntries(closed),
    cut,
    budget,
    peak: watch.peak,
    looks: watch.looks,
    again_ms: round(againMs),
    settled_ms: round(settledMs),
    figures,
  };
}

function spreadOf(ms: readonly number[]): Spread {
  if (ms.length === 0) return { p50: 0, p90: 0, p99: 0, most: 0 };
  const at = (part: number) => round(percentile(ms, part));
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), most: round(Math.max(...ms)) };
}

const round = (ms: number): number => Math.round(ms);
