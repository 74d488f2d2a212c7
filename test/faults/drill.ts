/**
 * One drill: a fault in the middle of a flood, and what must hold of it. The judge of the budget is the database: it has
 * room for not one session more, so a single "too many" in its log fails the drill.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from '../bench/statistics.js';
import { waitUntil } from '../harness/wait-until.js';
import type { Crowd } from './crowd.js';
import { budget, type Field } from './field.js';

export interface Drill {
  readonly name: string;
  /** What this fault may do to clients; everything else is a violation. A refusal is by SQLSTATE. */
  readonly excuses: {
    readonly refused?: readonly string[];
    /** Closed before their login was through: their Envoy died, or was cut off from the server. */
    readonly closed?: boolean;
    /** Sessions that broke. */
    readonly cut?: boolean;
  };
  /** Resolves when the fault is over. */
  fault(field: Field): Promise<void>;
}

export interface Outcome {
  readonly drill: string;
  readonly violations: readonly string[];
  readonly served: number;
  readonly wait_ms: { readonly p50: number; readonly p99: number; readonly most: number };
  readonly refused: Readonly<Record<string, number>>;
  readonly closed: Readonly<Record<string, number>>;
  readonly cut: number;
  /** The most sessions that the database has counted. */
  readonly peak: number;
  readonly looks: number;
  /** From the end of the fault to the next client's login. */
  readonly again_ms: number;
  /** From then until the ledger's count was the database's (I4). */
  readonly settled_ms: number;
}

/** The flood is at its height before a fault, and goes on behind it. */
const heightMs = 2_000;
const againWithinMs = 60_000;
const settledWithinMs = 90_000;
const betweenLooksMs = 4;

export async function hold(drill: Drill, field: Field, crowd: Crowd): Promise<Outcome> {
  const watch = watchPeak(field);
  crowd.take();
  await pause(heightMs);
  await drill.fault(field);
  const overMs = performance.now();
  const violations: string[] = [];
  const note = (what: string) => (error: unknown) => {
    violations.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  };
  await waitUntil('a client is let in again', () => crowd.lastAdmittedMs > overMs, againWithinMs).catch(
    note('I3'),
  );
  const again = crowd.lastAdmittedMs - overMs;
  crowd.freeze();
  const frozenMs = performance.now();
  await waitUntil(
    'the ledger counts what the database counts',
    async () => {
      const [grants, sessions] = await Promise.all([field.grants(), field.sessions()]);
      return grants === sessions;
    },
    settledWithinMs,
  ).catch(note('I4'));
  const settled = performance.now() - frozenMs;
  crowd.release();
  await pause(heightMs);
  const { peak, looks } = watch.stop();
  const { waitsMs, refused, closed, cut } = crowd.take();

  if (peak > budget) violations.push(`I1: ${peak} sessions at once, the budget is ${budget}`);
  if (field.orders.server.hasSaidTooMany) violations.push('I1: the database has said "too many"');
  for (const [code, count] of refused)
    if (!drill.excuses.refused?.includes(code)) violations.push(`I3: ${count} clients refused by ${code}`);
  for (const [text, count] of closed)
    if (!drill.excuses.closed) violations.push(`I3: ${count} clients closed without a word (${text})`);
  if (cut > 0 && !drill.excuses.cut) violations.push(`I6: ${cut} sessions broke`);
  return {
    drill: drill.name,
    violations,
    served: waitsMs.length,
    wait_ms: {
      p50: round(percentile(waitsMs, 0.5)),
      p99: round(percentile(waitsMs, 0.99)),
      most: round(Math.max(...waitsMs)),
    },
    refused: Object.fromEntries(refused),
    closed: Object.fromEntries(closed),
    cut,
    peak,
    looks,
    again_ms: round(again),
    settled_ms: round(settled),
  };
}

const round = (ms: number): number => Math.round(ms);

/** Asks the database again and again, as long as it answers. */
function watchPeak(field: Field): { stop(): { readonly peak: number; readonly looks: number } } {
  let peak = 0;
  let looks = 0;
  let isOver = false;
  const look = async (): Promise<void> => {
    while (!isOver) {
      // One that is killed or stopped counts nothing.
      const count = await field.sessions().catch(() => 0);
      peak = Math.max(peak, count);
      looks += 1;
      await pause(betweenLooksMs);
    }
  };
  void look();
  return {
    stop: () => {
      isOver = true;
      return { peak, looks };
    },
  };
}
