import type { LedgerEffect, LedgerEvent } from '../../xds-server/pure/ledger/events.js';
import type { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import type { Agenda } from './agenda.js';
import { Violation } from './violation.js';

/** Drives the ledger as the real loop does, and loses it when it dies. What was on its way to it is lost then too. */
export class Brain {
  readonly #agenda: Agenda;
  readonly #start: () => Ledger;
  readonly #carryOut: (effect: LedgerEffect) => void;
  readonly #trace: ((line: string) => void) | undefined;
  #ledger: Ledger;
  #tickMs = Number.POSITIVE_INFINITY;
  isUp = true;
  /** Which of its lives it is in. */
  life = 0;
  events = 0;

  constructor(
    agenda: Agenda,
    start: () => Ledger,
    carryOut: (effect: LedgerEffect) => void,
    trace: ((line: string) => void) | undefined,
  ) {
    this.#agenda = agenda;
    this.#start = start;
    this.#carryOut = carryOut;
    this.#trace = trace;
    this.#ledger = start();
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  tell(event: LedgerEvent): void {
    if (!this.isUp) return;
    this.events++;
    const { nowMs } = this.#agenda;
    const effects = this.#ledger.apply(event, nowMs);
    this.#trace?.(`${nowMs} ${JSON.stringify(event)} => ${JSON.stringify(effects)}`);
    for (const effect of effects) this.#carryOut(effect);
    if (this.events % 7 === 0) this.audit();
    this.#arm();
  }

  audit(): void {
    const contradictions = this.#ledger.audit();
    if (contradictions.length > 0) throw new Violation(`audit: ${contradictions.join('; ')}`);
  }

  die(): void {
    this.isUp = false;
    this.life++;
    this.#tickMs = Number.POSITIVE_INFINITY;
  }

  rise(): void {
    this.isUp = true;
    this.#ledger = this.#start();
  }

  #arm(): void {
    const dueMs = this.#ledger.nextDeadlineMs() ?? Number.POSITIVE_INFINITY;
    if (dueMs === Number.POSITIVE_INFINITY || dueMs >= this.#tickMs) return;
    this.#tickMs = dueMs;
    const { life } = this;
    this.#agenda.after(dueMs - this.#agenda.nowMs, () => {
      if (life !== this.life || this.#tickMs !== dueMs) return;
      this.#tickMs = Number.POSITIVE_INFINITY;
      this.tell({ kind: 'tick' });
    });
  }
}
