import type { Random } from './random.js';

/**
 * What will happen when, in true time, which nobody in the world can read; it passes only from one thing to the next. Of
 * things at the same time the one that was put down first comes first.
 *
 * A binary heap like the ledger's, of which nothing is taken but the first: so it needs no record for each thing.
 */
export class Agenda {
  /** The heap has `#size` things; what the arrays have beyond it is over. */
  readonly #atMs: number[] = [];
  readonly #serials: number[] = [];
  readonly #things: (() => void)[] = [];
  #size = 0;
  #serial = 0;
  nowMs = 0;

  after(delayMs: number, thing: () => void): void {
    const times = this.#atMs;
    const serials = this.#serials;
    const things = this.#things;
    const atMs = this.nowMs + Math.max(0, delayMs);
    const serial = this.#serial++;
    let at = this.#size++;
    // No serial is later than this one.
    for (let above = (at - 1) >> 1; at > 0 && atMs < times[above]!; above = (at - 1) >> 1) {
      times[at] = times[above]!;
      serials[at] = serials[above]!;
      things[at] = things[above]!;
      at = above;
    }
    times[at] = atMs;
    serials[at] = serial;
    things[at] = thing;
  }

  /** Some time between the two. */
  within(random: Random, leastMs: number, mostMs: number, thing: () => void): void {
    this.after(random.between(leastMs, Math.max(leastMs, mostMs)), thing);
  }

  /** @returns false when nothing is left, or nothing before `untilMs`. */
  step(untilMs = Number.POSITIVE_INFINITY): boolean {
    if (this.#size === 0) return false;
    const atMs = this.#atMs[0]!;
    if (atMs > untilMs) return false;
    const thing = this.#things[0]!;
    this.#removeFirst();
    this.nowMs = atMs;
    thing();
    return true;
  }

  /** Lets everything happen that is due by then, and that much time pass. */
  pass(untilMs: number): void {
    while (this.step(untilMs));
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  /** The last one is put where there is room for it, from the top on. */
  #removeFirst(): void {
    const times = this.#atMs;
    const serials = this.#serials;
    const things = this.#things;
    const size = --this.#size;
    const atMs = times[size]!;
    const serial = serials[size]!;
    const thing = things[size]!;
    let at = 0;
    for (let below = 1; below < size; below = 2 * at + 1) {
      const other = below + 1;
      if (other < size && isBefore(times[other]!, serials[other]!, times[below]!, serials[below]!))
        below = other;
      if (isBefore(atMs, serial, times[below]!, serials[below]!)) break;
      times[at] = times[below]!;
      serials[at] = serials[below]!;
      things[at] = things[below]!;
      at = below;
    }
    times[at] = atMs;
    serials[at] = serial;
    things[at] = thing;
  }
}

function isBefore(oneMs: number, oneSerial: number, otherMs: number, otherSerial: number): boolean {
  return oneMs < otherMs || (oneMs === otherMs && oneSerial < otherSerial);
}
