/** I5, at each grant: nobody goes before somebody with a better right to the same slot. */
import type { LedgerEffect } from '../../xds-server/pure/ledger/events.js';
import type { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import type { ServiceView } from '../../xds-server/pure/ledger/view.js';
import type { ServicePlan } from '../../xds-server/pure/plan/plan.js';
import { Violation } from './violation.js';

type Grant = Extract<LedgerEffect, { kind: 'grant' }>;

/** What holds up one that could have had the slot which another one got. */
const couldHaveHadIt: ReadonlySet<ServiceView['heldBy']> = new Set(['database', 'guarantees']);

export class Fairness {
  readonly #starvationMs: number;
  readonly #planned: (service: string) => ServicePlan | undefined;
  /** When each service last had what it wanted: a slot, or nobody waiting; no later than it really had. */
  readonly #contentMs = new Map<string, number>();
  /** Since when each service's longest waiter has been seen to wait; he is known by his birth. */
  readonly #firstSeen = new Map<string, { readonly bornMs: number; readonly atMs: number }>();
  /** Grants to others since a starving service's turn came. */
  readonly #passedOver = new Map<string, number>();
  readonly #granted = new Set<string>();

  constructor(starvationMs: number, planned: (service: string) => ServicePlan | undefined) {
    this.#starvationMs = starvationMs;
    this.#planned = planned;
  }

  look(effects: readonly LedgerEffect[], ledger: Ledger, nowMs: number): void {
    // An answer that was lost and is given again takes nothing from anybody.
    const grants = effects.filter(
      (effect) => effect.kind === 'grant' && !effect.onlyKill && !this.#granted.has(effect.connection),
    ) as Grant[];
    for (const { connection } of grants) this.#granted.add(connection);
    if (grants.length === 0) return;
    const { services, targets } = ledger.view();
    const takers = new Set(grants.map(({ service }) => service));
    for (const { name, waiters, longestWaitMs, heldBy } of services.values()) {
      if (waiters === 0 && !takers.has(name)) this.#contentMs.set(name, nowMs);
      const bornMs = Math.round(nowMs - longestWaitMs);
      if (this.#firstSeen.get(name)?.bornMs !== bornMs) this.#firstSeen.set(name, { bornMs, atMs: nowMs });
      if (waiters === 0 || !couldHaveHadIt.has(heldBy)) this.#passedOver.delete(name);
    }
    for (const service of takers) {
      const taker = services.get(service);
      if (!taker?.planned) continue;
      // A service that has moved has some of its sessions elsewhere, one of before a restart some that are nobody's
      // yet: what it has here is not shown.
      const target = targets.get(taker.target);
      let used = 0;
      let isElsewhere = false;
      for (const each of services.values()) {
        if (each.target !== taker.target) continue;
        used += each.used;
        isElsewhere ||= each.used !== each.usedHere;
      }
      if (isElsewhere || used !== target?.used || target.unjoined > 0) continue;
      for (const other of services.values())
        if (
          other.target === taker.target &&
          other !== taker &&
          other.waiters > 0 &&
          couldHaveHadIt.has(other.heldBy)
        )
          this.#judge(taker, other, services.size, nowMs);
    }
    for (const service of takers) {
      this.#contentMs.set(service, nowMs);
      this.#passedOver.delete(service);
    }
  }

  #judge(taker: ServiceView, other: ServiceView, services: number, nowMs: number): void {
    // Within its own share it may go before anybody.
    const plan = this.#planned(taker.name);
    const otherPlan = this.#planned(other.name);
    if (!plan || !otherPlan || taker.used <= plan.guaranteed) return;
    // Another of its clients, who has gone since, may have been before this one and had a slot.
    const hungryMs = Math.max(this.#firstSeen.get(other.name)!.atMs, this.#lastContentMs(other));
    if (nowMs - hungryMs >= this.#starvationMs) {
      const times = (this.#passedOver.get(other.name) ?? 0) + 1;
      this.#passedOver.set(other.name, times);
      if (times > 2 * services) throw new Violation(`I5: ${other.name} starves, ${times} times passed over`);
    }
    // So may one that has starved, once.
    if (this.#mayStarve(taker, nowMs)) return;
    if (otherPlan.priority > plan.priority)
      throw new Violation(`I5: ${taker.name} was given what ${other.name} waits for, of higher priority`);
    if (other.used < otherPlan.guaranteed && other.heldBy === 'database')
      throw new Violation(`I5: ${taker.name} was given a slot of the guaranteed share of ${other.name}`);
  }

  #mayStarve(service: ServiceView, nowMs: number): boolean {
    return nowMs - this.#lastContentMs(service) >= this.#starvationMs;
  }

  #lastContentMs({ name }: ServiceView): number {
    return this.#contentMs.get(name) ?? Number.NEGATIVE_INFINITY;
  }
}
