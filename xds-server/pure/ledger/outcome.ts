import type { ServicePlan } from '../plan/plan.js';
import type { Refusal } from '../verdict/refusals.js';
import type { ConnectionId, LedgerEffect } from './events.js';
import type { Target } from './records.js';

/** Also for those who log in, where nothing is to be proved of a queue. */
export const overAnyConnection = Number.NEGATIVE_INFINITY;

/** What one step has come to so far, and when it is. */
export class Outcome {
  nowMs = Number.NEGATIVE_INFINITY;
  /** Which step it is; several may be at the same time. */
  step = 0;
  #effects: LedgerEffect[] = [];
  /** With the time after which the connection for it is to be dialled, where that matters. */
  readonly #observed = new Map<Target, number | undefined>();

  grant(
    connection: ConnectionId,
    { name: service, cluster }: ServicePlan,
    ttlMs: number,
    bornMs: number,
    onlyKill: Refusal | undefined,
  ): void {
    const waitedMs = this.nowMs - bornMs;
    const grant = { kind: 'grant', connection, service, cluster, ttlMs, waitedMs } as const;
    this.#effects.push(onlyKill ? { ...grant, onlyKill } : grant);
  }

  refuse(connection: ConnectionId, service: string, refusal: Refusal, bornMs: number): void {
    this.#effects.push({ kind: 'refuse', connection, service, refusal, waitedMs: this.nowMs - bornMs });
  }

  observe(target: Target, dialledAfterMs?: number): void {
    const asked = [this.#observed.get(target), dialledAfterMs].filter((ms) => ms !== undefined);
    this.#observed.set(target, asked.length > 0 ? Math.max(...asked) : undefined);
  }

  /** Everything since the last time this was asked. */
  take(): LedgerEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    if (this.#observed.size === 0) return effects;
    for (const [{ name }, dialledAfterMs] of this.#observed)
      effects.push(
        dialledAfterMs === undefined
          ? { kind: 'observe', target: name }
          : { kind: 'observe', target: name, dialledAfterMs },
      );
    this.#observed.clear();
    return effects;
  }
}
