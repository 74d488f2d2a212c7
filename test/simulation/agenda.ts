import { Heap } from '../../xds-server/pure/ledger/heap.js';

/** What will happen when; time passes only from one thing to the next. */
export class Agenda {
  readonly #things = new Heap<() => void>();
  nowMs = 0;

  after(delayMs: number, thing: () => void): void {
    this.#things.add(thing, this.nowMs + Math.max(0, delayMs));
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
}
