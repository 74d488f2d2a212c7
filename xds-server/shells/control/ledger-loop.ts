/**
 * The one writer of the ledger. It decides nothing: it gives the ledger the time, in one order, and hands what the
 * ledger decides to those who carry it out.
 *
 * What can wake it:
 *
 *   authz      a check came; a held check was cancelled
 *   sessions   a node reported a connection opened, still open, or ended
 *   databases  a target showed its session list, or could not be asked
 *   wiring     a new plan is in force
 *   timer      the ledger's own next deadline has come (a wait or a grant runs out, a node fell silent)
 *
 * Time is the process's monotonic clock in milliseconds; the wall clock may be set and would move every deadline.
 */
import type { LedgerEffect, LedgerEvent } from '../../pure/ledger/events.js';

/** The part of the ledger that the loop drives. */
export interface LedgerMachine {
  apply(event: LedgerEvent, nowMs: number): readonly LedgerEffect[];
  nextDeadlineMs(): number | undefined;
}

export type EffectListener = (effect: LedgerEffect) => void;

/** Past this setTimeout fires at once (2^31 - 1 ms). */
const maxTimerMs = 2_147_483_647;

export class LedgerLoop {
  readonly #ledger: LedgerMachine;
  readonly #now: () => number;
  readonly #listeners = new Set<EffectListener>();
  /** Events that came while another was being carried out: its effects are seen by all before the next one. */
  readonly #pending: LedgerEvent[] = [];
  #busy = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;

  readonly #broken: (error: unknown) => void;

  /** @param broken called once, when the ledger has thrown: the loop has stopped for good */
  constructor(
    ledger: LedgerMachine,
    now: () => number = () => performance.now(),
    broken: (error: unknown) => void = (error) => {
      throw error;
    },
  ) {
    this.#ledger = ledger;
    this.#now = now;
    this.#broken = broken;
  }

  /** @returns how to stop listening. */
  subscribe(listener: EffectListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * When this returns outside of an effect, the effects of the event and of all that it caused are carried out.
   *
   * @throws the first error of a listener; the other effects are carried out all the same
   */
  apply(event: LedgerEvent): void {
    if (this.#stopped) return;
    this.#pending.push(event);
    if (this.#busy) return;
    this.#busy = true;
    const errors: unknown[] = [];
    try {
      for (let next = this.#pending.shift(); next; next = this.#pending.shift()) this.#step(next, errors);
    } finally {
      this.#busy = false;
    }
    this.#arm();
    if (errors.length > 0) throw errors[0];
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#pending.length = 0;
    this.#listeners.clear();
  }

  #step(event: LedgerEvent, errors: unknown[]): void {
    let effects: readonly LedgerEffect[];
    try {
      effects = this.#ledger.apply(event, this.#now());
    } catch (error) {
      // Half an event has been taken in. What may be wrong grants nothing more; a new ledger recovers from the databases.
      this.stop();
      this.#broken(error);
      return;
    }
    for (const effect of effects)
      for (const listener of this.#listeners) {
        try {
          listener(effect);
        } catch (error) {
          errors.push(error);
        }
      }
  }

  /** A timer that fires too early only asks again; so it is moved only when the deadline comes nearer. */
  #arm(): void {
    if (this.#stopped) return;
    const due = this.#ledger.nextDeadlineMs() ?? Number.POSITIVE_INFINITY;
    if (due >= this.#timerDueMs || due === Number.POSITIVE_INFINITY) return;
    clearTimeout(this.#timer);
    this.#timerDueMs = due;
    const delay = Math.min(Math.max(Math.ceil(due - this.#now()), 0), maxTimerMs);
    this.#timer = setTimeout(() => this.#fire(), delay);
    this.#timer.unref();
  }

  #fire(): void {
    this.#timerDueMs = Number.POSITIVE_INFINITY;
    const due = this.#ledger.nextDeadlineMs();
    if (due !== undefined && due <= this.#now()) this.apply({ kind: 'tick' });
    else this.#arm();
  }
}
