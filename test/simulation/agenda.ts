import type { Random } from './random.js';

/** What has lives, or stands still: a thing that was put down for it comes to it, in the life for which it was meant. */
export interface Living {
  readonly life: number;
  /** At once or later, or never. */
  do(thing: () => void): void;
}

/**
 * What will happen when, in true time, which nobody in the world can read; it passes only from one thing to the next. Of
 * things at the same time the one that was put down first comes first.
 *
 * A binary heap like the ledger's, of which nothing is taken but the first: so it makes no record for each thing, but has
 * a place for it, and gives that to another one when it is over.
 */
export class Agenda {
  /** The heap: `#size` times, and at which place the thing of each is. */
  readonly #atMs: number[] = [];
  readonly #placeAt: number[] = [];
  #size = 0;
  readonly #things: (() => void)[] = [];
  readonly #serials: number[] = [];
  readonly #whose: (Living | undefined)[] = [];
  readonly #lives: number[] = [];
  readonly #free: number[] = [];
  #serial = 0;
  nowMs = 0;

  /** @param whose it is only for the life that this is in now; undefined: for nobody in particular */
  after(delayMs: number, thing: () => void, whose?: Living): void {
    const place = this.#free.pop() ?? this.#things.length;
    this.#things[place] = thing;
    this.#serials[place] = this.#serial++;
    this.#whose[place] = whose;
    this.#lives[place] = whose ? whose.life : 0;
    const times = this.#atMs;
    const placeAt = this.#placeAt;
    const atMs = this.nowMs + Math.max(0, delayMs);
    let at = this.#size++;
    // No serial is later than this one.
    for (let above = (at - 1) >> 1; at > 0 && atMs < times[above]!; above = (at - 1) >> 1) {
      times[at] = times[above]!;
      placeAt[at] = placeAt[above]!;
      at = above;
    }
    times[at] = atMs;
    placeAt[at] = place;
  }

  /** Some time between the two. */
  within(random: Random, leastMs: number, mostMs: number, thing: () => void, whose?: Living): void {
    this.after(random.between(leastMs, Math.max(leastMs, mostMs)), thing, whose);
  }

  /** @returns false when nothing is left, or nothing before `untilMs`. */
  step(untilMs = Number.POSITIVE_INFINITY): boolean {
    if (this.#size === 0) return false;
    const atMs = this.#atMs[0]!;
    if (atMs > untilMs) return false;
    const place = this.#placeAt[0]!;
    const thing = this.#things[place]!;
    const whose = this.#whose[place];
    const life = this.#lives[place];
    this.#removeFirst();
    // Nothing is kept for its sake that is over.
    this.#things[place] = over;
    this.#whose[place] = undefined;
    this.#free.push(place);
    this.nowMs = atMs;
    if (!whose) thing();
    else if (life === whose.life) whose.do(thing);
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
    const placeAt = this.#placeAt;
    const size = --this.#size;
    const atMs = times[size]!;
    const place = placeAt[size]!;
    let at = 0;
    for (let below = 1; below < size; below = 2 * at + 1) {
      const other = below + 1;
      if (other < size && this.#isBefore(times[other]!, placeAt[other]!, times[below]!, placeAt[below]!))
        below = other;
      if (this.#isBefore(atMs, place, times[below]!, placeAt[below]!)) break;
      times[at] = times[below]!;
      placeAt[at] = placeAt[below]!;
      at = below;
    }
    times[at] = atMs;
    placeAt[at] = place;
  }

  #isBefore(oneMs: number, one: number, otherMs: number, other: number): boolean {
    return oneMs < otherMs || (oneMs === otherMs && this.#serials[one]! < this.#serials[other]!);
  }
}

function over(): void {}
