/**
 * Visits many streams without holding up everything else: a check that arrives while a snapshot goes out to a thousand
 * nodes is answered in between. Which streams, and what is done with each, is the caller's.
 */

/** Time given to visits before other work gets its turn; what a check may have to wait for. */
const SLICE_MS = 1;

export class FanOut<T> {
  readonly #due = new Set<T>();
  #isRunning = false;

  constructor(private readonly visit: (target: T) => void) {}

  /** Each is visited soon; one that is due already, once. */
  add(targets: Iterable<T>): void {
    for (const target of targets) this.#due.add(target);
    if (this.#isRunning || this.#due.size === 0) return;
    this.#isRunning = true;
    this.#slice();
  }

  remove(target: T): void {
    this.#due.delete(target);
  }

  #slice(): void {
    const end = performance.now() + SLICE_MS;
    try {
      for (const target of this.#due) {
        this.#due.delete(target);
        this.visit(target);
        if (performance.now() > end) break;
      }
    } finally {
      this.#isRunning = this.#due.size > 0;
      if (this.#isRunning) setImmediate(() => this.#slice());
    }
  }
}
