/** A schedule, played to its end or to the first thing that must not be. */
import { type Parts, shipped } from './parts.js';
import { Drawn, Recorded, type Script } from './script.js';
import { Violation } from './violation.js';
import { type Length, World } from './world.js';

/** What an issue of this project asks of every schedule. */
export const leastLength: Length = { events: 1_000, faults: 2 };

export interface Played {
  readonly events: number;
  readonly faults: number;
  readonly granted: number;
  /** In words, beginning with the invariant; undefined: none. */
  readonly violation: string | undefined;
}

export type Trace = (line: string) => void;

export function play(seed: number, length: Length, parts: Parts = shipped, trace?: Trace): Played {
  const world = new World(new Drawn(seed), parts, trace);
  return outcome(world, () => world.run(length));
}

export function replay(script: Script, parts: Parts = shipped, trace?: Trace): Played {
  const world = new World(new Recorded(script), parts, trace);
  return outcome(world, () => world.replay(script.endMs));
}

/** @returns what happens under a seed, up to the violation. */
export function record(seed: number, length: Length, parts: Parts = shipped): Script {
  const world = new World(new Drawn(seed), parts);
  world.record();
  outcome(world, () => world.run(length));
  return world.script;
}

/** `I1: 6 sessions …` is of I1. */
export function invariantOf(violation: string): string {
  return violation.split(':', 1)[0]!;
}

function outcome(world: World, run: () => void): Played {
  const violation = violationOf(run);
  const { events, faults, granted } = world;
  return { events, faults, granted, violation };
}

/** What the ledger throws is as bad. */
function violationOf(run: () => void): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof Violation) return error.message;
    return `thrown: ${error instanceof Error ? error.stack : error}`;
  }
}
