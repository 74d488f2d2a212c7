/**
 * Who gets what is free, and what stands in the way of those who don't. A slot is free only if service, tenant and
 * target all have one.
 *
 * Order: a starved service first, for one slot and not twice running at one target; then higher priority; then the
 * client that was born first. A service that is held up by its own or its tenant's limit is passed over, so that it
 * holds up nobody else.
 *
 * While one of a tenant's databases recovers, its services at the others go on: what the tenant has at that one is not
 * known yet, and one database that does not answer must not stop another. Until then its limit may be exceeded.
 *
 * Guaranteed shares: a service within its own may have any slot; beyond it only those that nobody's unused share needs.
 *
 * Kill reserves are shares within the service's limit that only sessions for KILL can use: ordinary ones stop short of
 * them at the service, at its tenant and at the target. Who is refused for fullness may have one of these.
 */
import type { ServicePlan } from '../plan/plan.js';
import { type Books, unusedGuarantee } from './books.js';
import type { Service, Slot } from './records.js';

/** What a waiter waits for; `leaderless`: nobody may grant. */
export type Obstacle = 'leaderless' | 'recovering' | 'service' | 'tenant' | 'database' | 'guarantees';

/** @returns what keeps the service from one more slot; undefined: nothing. */
export function obstacle(service: Service, books: Books): Obstacle | undefined {
  const { plan, target, tenant } = service;
  if (!books.mayGrant) return 'leaderless';
  if (!plan || target.recovering) return 'recovering';
  if (service.used + service.unjoined >= plan.maxConnections || ordinaryLeft(service, plan) <= 0)
    return 'service';
  if (tenant.used + tenant.unjoined + tenant.unusedReserves >= tenant.max) return 'tenant';
  const free = books.free(target);
  if (free <= 0) return 'database';
  return unusedGuarantee(service) > 0 || free > target.unusedGuarantees ? undefined : 'guarantees';
}

/** Whether the service's kill reserve has a slot. */
export function mayKill(service: Service, books: Books): boolean {
  const { plan, target, tenant, used, unjoined, killing } = service;
  if (!books.mayGrant || !plan || target.recovering || killing >= plan.killReserve) return false;
  return (
    used + unjoined < plan.maxConnections &&
    tenant.used + tenant.unjoined < tenant.max &&
    books.free(target) > 0
  );
}

/**
 * Whether a slot that is held but not used may be used now: it counts where it should, and no limit was cut below it. A
 * client that was let in for KILL alone is judged anew: there may be more for it now.
 */
export function isStillRight({ service, target, tenant, onlyKill }: Slot, books: Books): boolean {
  if (onlyKill || !books.mayGrant) return false;
  if (service.target !== target || service.tenant !== tenant || target.recovering) return false;
  const { plan } = service;
  if (!plan || ordinaryLeft(service, plan) < 0) return false;
  if (service.used + service.unjoined > plan.maxConnections) return false;
  return tenant.used + tenant.unjoined <= tenant.max && books.free(target) >= 0;
}

/** Of its limit, what is left for sessions that may do all; negative where it was cut. */
function ordinaryLeft({ used, killing, unjoined }: Service, plan: ServicePlan): number {
  return plan.maxConnections - plan.killReserve - (used - killing) - unjoined;
}

/**
 * The service whose first waiter is next.
 *
 * @param candidates services with waiters; those that can have nothing are taken out: what is given to another only
 *   makes less of everything.
 */
export function next(
  candidates: Service[],
  books: Books,
  nowMs: number,
  starvationMs: number,
): Service | undefined {
  let best: Service | undefined;
  let bestStarves = false;
  let kept = 0;
  for (const service of candidates) {
    if (service.queue.size === 0 || obstacle(service, books) !== undefined) continue;
    candidates[kept++] = service;
    const starves = !service.target.favoured && isStarving(service, nowMs, starvationMs);
    if (!best || (starves === bestStarves ? isBefore(service, best, starves) : starves)) {
      best = service;
      bestStarves = starves;
    }
  }
  candidates.length = kept;
  if (best) best.target.favoured = bestStarves;
  return best;
}

/** Others were served since it began to wait for its next one, and that is long ago. */
export function isStarving(
  { hungryMs, target, tenant }: Service,
  nowMs: number,
  starvationMs: number,
): boolean {
  return nowMs - hungryMs >= starvationMs && (target.grantedMs > hungryMs || tenant.grantedMs > hungryMs);
}

/** Of two starving ones the one that starves for longer goes first. */
function isBefore(one: Service, other: Service, starving: boolean): boolean {
  if (starving && one.hungryMs !== other.hungryMs) return one.hungryMs < other.hungryMs;
  const byPriority = one.plan!.priority - other.plan!.priority;
  if (byPriority !== 0) return byPriority > 0;
  return one.queue.first()!.key < other.queue.first()!.key;
}
