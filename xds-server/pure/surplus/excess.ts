/** By how much services, tenants and targets are above their limits, those left aside who are closing already. */
import type { LedgerView, ServiceView, SessionView } from '../ledger/view.js';
import type { Plan } from '../plan/plan.js';

/** What there can be too many of, the narrower first: a session too many of a service may be the one that a target has too many. */
export const causes = ['service', 'tenant', 'target'] as const;

export type Cause = (typeof causes)[number];

export class Excess {
  readonly #of: Readonly<Record<Cause, Map<string, number>>> = {
    service: new Map(),
    tenant: new Map(),
    target: new Map(),
  };
  /** What a service may lose to others: what it has at its target above what is guaranteed to it there. */
  readonly #spare = new Map<string, number>();

  constructor(plan: Plan, view: LedgerView) {
    const closing = new Map<string, number>();
    for (const service of view.services.values()) {
      const { name, tenant, guaranteed, usedHere, planned } = service;
      closing.set(tenant, (closing.get(tenant) ?? 0) + service.closing);
      this.#spare.set(name, usedHere - service.closing - guaranteed);
      if (planned) this.#note('service', name, overOf(service, plan.services.get(name)?.killReserve ?? 0));
    }
    for (const { name, limit, used } of view.tenants.values())
      if (limit !== undefined) this.#note('tenant', name, used - (closing.get(name) ?? 0) - limit);
    // What is counted on suspicion, right behind a restart, is no reason to end anybody.
    for (const target of view.targets.values())
      if (target.planned && !target.recovering)
        this.#note('target', target.name, target.used - target.closing - target.budget);
  }

  get isNone(): boolean {
    return causes.every((cause) => this.#of[cause].size === 0);
  }

  /**
   * One session less.
   *
   * @returns false where it is not one too many by that cause, or is owed to its service whatever others want; then nothing
   *   has changed
   */
  take(cause: Cause, { service, tenant, target }: SessionView, isElsewhere: boolean): boolean {
    const names = { service, tenant, target };
    const spare = this.#spare.get(service) ?? 0;
    if (!this.#of[cause].has(names[cause])) return false;
    if (cause !== 'service' && !isElsewhere && spare <= 0) return false;
    if (!isElsewhere) this.#spare.set(service, spare - 1);
    for (const each of causes) this.#less(each, names[each]);
    return true;
  }

  #note(cause: Cause, name: string, over: number): void {
    if (over > 0) this.#of[cause].set(name, over);
  }

  #less(cause: Cause, name: string): void {
    const over = this.#of[cause].get(name);
    if (over === undefined) return;
    if (over > 1) this.#of[cause].set(name, over - 1);
    else this.#of[cause].delete(name);
  }
}

/** Its reserve for KILL is no room for ordinary sessions. */
function overOf({ used, usedHere, closing, limit }: ServiceView, killReserve: number): number {
  return Math.max(used - limit, usedHere - (limit - killReserve)) - closing;
}
