import { setTimeout as pause } from 'node:timers/promises';

const betweenLooksMs = 10;

/** Thrown by a look: what is waited for will never come. */
export class Hopeless extends Error {}

/**
 * Looks until `look` returns something other than undefined or false, and returns that. A look that throws counts
 * as not yet (what is looked at may not be there yet), unless it throws `Hopeless`.
 *
 * @throws after `withinMs`, with what was waited for and why the last look failed.
 */
export async function waitUntil<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = 30_000,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    let problem: unknown;
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      problem = error;
    }
    if (performance.now() > deadline) {
      throw new Error(
        `expected within ${withinMs} ms: ${what}`,
        problem === undefined ? {} : { cause: problem },
      );
    }
    await pause(betweenLooksMs);
  }
}
