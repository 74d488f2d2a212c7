/** One of the threads that play schedules: asked for a stretch of seeds, answers with what it found. */
import { parentPort } from 'node:worker_threads';
import { play } from './play.js';
import type { Length } from './world.js';

export interface Stretch {
  readonly from: number;
  readonly count: number;
  readonly length: Length;
}

export interface Failure {
  readonly seed: number;
  readonly violation: string;
}

export interface Findings {
  readonly schedules: number;
  readonly events: number;
  readonly faults: number;
  readonly grants: number;
  readonly leastEvents: number;
  readonly leastFaults: number;
  readonly failures: readonly Failure[];
}

export function playAll({ from, count, length }: Stretch): Findings {
  let [events, faults, grants] = [0, 0, 0];
  let [leastEvents, leastFaults] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  const failures: Failure[] = [];
  for (let seed = from; seed < from + count; seed++) {
    const played = play(seed, length);
    events += played.events;
    faults += played.faults;
    grants += played.granted;
    if (played.violation !== undefined) {
      failures.push({ seed, violation: played.violation });
      continue;
    }
    leastEvents = Math.min(leastEvents, played.events);
    leastFaults = Math.min(leastFaults, played.faults);
  }
  return { schedules: count, events, faults, grants, leastEvents, leastFaults, failures };
}

parentPort?.on('message', (stretch: Stretch) => parentPort?.postMessage(playAll(stretch)));
