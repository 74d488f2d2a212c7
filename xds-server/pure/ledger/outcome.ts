import type { Refusal } from '../verdict/refusals.js';
import type { ConnectionId, LedgerEffect } from './events.js';
import type { Target } from './records.js';

/** What one step has come to so far, and when it is. */
export class Outcome {
  nowMs = Number.NEGATIVE_INFINITY;
  /** Which step it is; several may be at the same time. */
  step = 0;
  #effects: LedgerEffect[] = [];
  readonly #observed = new Set<Target>();

  grant(
    connection: ConnectionId,
    service: string,
    ttlMs: number,
    bornMs: number,
    onlyKill: Refusal | undefined,
  ): void {
    const waitedMs = this.nowMs - bornMs;
    this.#effects.push({
      kind: 'grant',
      connection,
      service,
      ttlMs,
      waitedMs,
      ...(onlyKill && { onlyKill }),
    });
  }

  refuse(connection: ConnectionId, service: string, refusal: Refusal, bornMs: number): void {
    this.#effects.push({ kind: 'refuse', connection, service, refusal, waitedMs: this.nowMs - bornMs });
  }

  observe(target: Target): void {
    this.#observed.add(target);
  }

  /** Everything since the last time this was asked. */
  take(): LedgerEffect[] {
    const effects = this.#effects;
    for (const { name } of this.#observed) effects.push({ kind: 'observe', target: name });
    this.#observed.clear();
    this.#effects = [];
    return effects;
  }
}
