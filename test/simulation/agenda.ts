import { Heap } from '../../xds-server/pure/ledger/heap.js';
import type { Random } from './random.js';

/** What will happen when, in true time, which nobody in the world can read; it passes only from one thing to the next. */
export class Agenda {
  readonly #things = new Heap<() => void>();
  nowMs = 0;

  after(delayMs: number, thing: () => void): void {
    this.#things.add(thing, this.nowMs + Math.max(0, delayMs));
  }

  /** Some time between the two. */
  within(random: Random, leastMs: number, mostMs: number, thing: () => void): void {
    this.after(random.between(leastMs, Math.max(leastMs, mostMs)), thing);
  }

  /** @returns false when nothing is left, or nothing before `untilMs`. */
  step(untilMs = Number.POSITIVE_INFINITY): boolean {
    const first = this.#things.first();
    if (!first || first.key > untilMs) return false;
    this.#things.remove(first);
    this.nowMs = first.key;
    first.item();
    return true;
  }

  /** Lets everything happen that is due by then, and that much time pass. */
  pass(untilMs: number): void {
    while (this.step(untilMs));
    this.nowMs = Math.max(this.nowMs, untilMs);
  }
}
