import type { Agenda, Living } from './agenda.js';
import type { Random } from './random.js';

/** Quartz is good to some 50 ppm; NTP may slew by 500 more. */
const mostDriftPpm = 550;

/** A machine's clocks: a monotonic one with a rate and a beginning of its own, a wall clock that may be set. */
export class Clock {
  readonly #agenda: Agenda;
  readonly #rate: number;
  readonly #startMs: number;
  /** Wall clock − monotonic clock. */
  epochMs: number;

  constructor(agenda: Agenda, random: Random) {
    this.#agenda = agenda;
    this.#rate = 1 + random.between(-mostDriftPpm, mostDriftPpm) / 1e6;
    this.#startMs = random.between(0, 1_000_000_000);
    this.epochMs = 1_700_000_000_000 + random.between(-1_000_000, 1_000_000);
  }

  get monotonicMs(): number {
    return this.#startMs + this.#agenda.nowMs * this.#rate;
  }

  /** In true time. */
  lasting(ms: number): number {
    return ms / this.#rate;
  }

  /** How long it is, in true time, until the monotonic clock shows this. */
  until(monotonicMs: number): number {
    return this.lasting(monotonicMs - this.monotonicMs);
  }
}

/** A process: it may die, and it may stand still (SIGSTOP); what comes to it then waits in its sockets. */
export class Process implements Living {
  readonly clock: Clock;
  readonly #agenda: Agenda;
  isUp = true;
  /** Which of its lives it is in: what was meant for an earlier one does not reach this one. */
  life = 1;
  #stops = 0;
  #waiting: (() => void)[] = [];

  constructor(agenda: Agenda, random: Random) {
    this.#agenda = agenda;
    this.clock = new Clock(agenda, random);
  }

  get isStopped(): boolean {
    return this.#stops > 0;
  }

  /** At once, or when it goes on; never when it dies before. */
  do(thing: () => void): void {
    if (!this.isUp) return;
    if (this.#stops > 0) this.#waiting.push(thing);
    else thing();
  }

  /** A timer of its own. */
  after(ms: number, thing: () => void): void {
    this.#agenda.after(this.clock.lasting(ms), thing, this);
  }

  stop(ms: number): void {
    const { life } = this;
    this.#stops++;
    this.#agenda.after(ms, () => {
      if (life !== this.life || --this.#stops > 0) return;
      const waiting = this.#waiting;
      this.#waiting = [];
      // It may be stopped or killed again by what it does.
      for (const thing of waiting) if (life === this.life) this.do(thing);
    });
  }

  die(): void {
    this.isUp = false;
    this.life++;
    this.#stops = 0;
    this.#waiting = [];
  }

  rise(): void {
    this.isUp = true;
  }
}
