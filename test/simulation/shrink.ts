/**
 * Makes a failing schedule small: leaves out happenings, shortens faults, calms the world, for as long as the same
 * invariant is violated. (Delta debugging: A. Zeller, R. Hildebrandt, "Simplifying and isolating failure-inducing input".)
 */

import type { Parts } from './parts.js';
import { invariantOf, replay } from './play.js';
import type { Happening, Script } from './script.js';
import type { Traits } from './traits.js';

const mostTrials = 3_000;

/** @param script that violates the invariant. @returns one that does too, and is no larger */
export function shrink(script: Script, invariant: string, parts?: Parts): Script {
  let trials = 0;
  const isBad = (candidate: Script): boolean => {
    if (++trials > mostTrials) return false;
    const { violation } = replay(candidate, parts);
    return violation !== undefined && invariantOf(violation) === invariant;
  };
  let best = script;
  for (;;) {
    const before = sizeOf(best);
    best = fewer(best, isBad);
    best = shorter(best, isBad);
    best = calmer(best, isBad);
    if (sizeOf(best) === before || trials > mostTrials) return best;
  }
}

function sizeOf({ happenings }: Script): number {
  return (
    happenings.length + happenings.reduce((sum, each) => sum + ('ms' in each ? Math.abs(each.ms) : 0), 0)
  );
}

function fewer(script: Script, isBad: (candidate: Script) => boolean): Script {
  let best = script;
  for (let size = Math.ceil(best.happenings.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < best.happenings.length; ) {
      const happenings = [...best.happenings.slice(0, from), ...best.happenings.slice(from + size)];
      const candidate = { ...best, happenings };
      if (isBad(candidate)) best = candidate;
      else from += size;
    }
  }
  return best;
}

function shorter(script: Script, isBad: (candidate: Script) => boolean): Script {
  let best = script;
  for (const [i, happening] of script.happenings.entries()) {
    if (!('ms' in happening)) continue;
    for (const ms of [0, Math.trunc(happening.ms / 4), Math.trunc(happening.ms / 2)]) {
      if (ms === happening.ms) continue;
      const happenings: Happening[] = best.happenings.map((each, at) =>
        at === i ? { ...happening, ms } : each,
      );
      const candidate = { ...best, happenings };
      if (!isBad(candidate)) continue;
      best = candidate;
      break;
    }
  }
  return best;
}

const calm: readonly Partial<Traits>[] = [
  { lossy: 0 },
  { nat: false },
  { lingerMs: 0 },
  { pids: undefined },
  { sharedUser: false },
  { namesUsers: true },
  { showsUsers: true },
  { listsLogins: true },
];

function calmer(script: Script, isBad: (candidate: Script) => boolean): Script {
  let best = script;
  for (const change of calm) {
    const candidate = { ...best, traits: { ...best.traits, ...change } };
    if (isBad(candidate)) best = candidate;
  }
  return best;
}
