/**
 * What the database counts, asked again and again for as long as it answers: never above the budget, and never above
 * what a drill has lowered that to.
 */
import { setTimeout as pause } from 'node:timers/promises';

const betweenLooksMs = 4;

export class Watch {
  readonly #count: () => Promise<number>;
  readonly #looking: Promise<void>;
  #isOver = false;
  #peak = 0;
  #looks = 0;
  #excesses = 0;
  #worst: string | undefined;
  /** The most sessions that there may be from now on. */
  ceiling: number;

  constructor(count: () => Promise<number>, ceiling: number) {
    this.#count = count;
    this.ceiling = ceiling;
    this.#looking = this.#look();
  }

  /** The most sessions at once. */
  get peak(): number {
    return this.#peak;
  }

  get looks(): number {
    return this.#looks;
  }

  /** What was seen above the ceiling; undefined: nothing. */
  get excess(): string | undefined {
    return this.#worst && `${this.#worst} (${this.#excesses} of ${this.#looks} looks)`;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#looking;
  }

  async #look(): Promise<void> {
    while (!this.#isOver) {
      const ceilingBefore = this.ceiling;
      // One that is killed or stopped counts nothing.
      const count = await this.#count().catch(() => 0);
      // It may have been lowered while the answer was on its way.
      const ceiling = Math.max(ceilingBefore, this.ceiling);
      this.#peak = Math.max(this.#peak, count);
      this.#looks += 1;
      if (count > ceiling) {
        this.#excesses += 1;
        this.#worst ??= `${count} sessions at once where there may be ${ceiling}`;
      }
      await pause(betweenLooksMs);
    }
  }
}
