/**
 * When may a ledger that has just begun believe that it knows every connection there is?
 *
 * After a restart nodes ask for the new process and are heard when it begins, or soon after. A ledger that follows a term
 * is told when each node found a brain that lives (`attached`): those of the other brains are heard for long, those of
 * the one that led before have had to move, and the last of them is waited for.
 */
import type { NodeId } from './events.js';
import { type LedgerSettings, longestRecoveryMs, recoveryMs } from './settings.js';

export class Recovery {
  readonly #settings: LedgerSettings;
  readonly #startedMs: number;
  /** Since when each node is heard, at the latest. */
  readonly #heardFrom = new Map<NodeId, number>();
  #heardFromMs = Number.NEGATIVE_INFINITY;

  constructor(settings: LedgerSettings, startedMs: number) {
    this.#settings = settings;
    this.#startedMs = startedMs;
  }

  /** A node that moves from brain to brain is heard all the while. */
  attached(node: NodeId, atMs: number): void {
    if (this.#heardFrom.has(node) || this.endsMs <= atMs) return;
    this.#heardFrom.set(node, atMs);
    this.#heardFromMs = Math.max(this.#heardFromMs, atMs);
  }

  /** The earliest question whose answer ends the recovery of a target. */
  get endsMs(): number {
    const isTold = this.#settings.follows === 'term' && this.#heardFrom.size > 0;
    const heardForMs = isTold ? this.#startedMs - this.#heardFromMs : 0;
    const forMs = Math.min(recoveryMs(this.#settings, heardForMs), longestRecoveryMs(this.#settings));
    return this.#startedMs + forMs;
  }
}
