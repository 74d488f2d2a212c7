/**
 * A limit is held twice: by the ledger, and behind it by each node's breaker. Where the breaker is the smaller of the
 * two Envoy closes what was granted. So while a change of limits is under way the ledger goes by the smaller limit of
 * old and new, and the nodes have the larger one:
 *
 *               ledger    nodes
 *   4 ──▶ 9     4         9        the ledger follows when the nodes have acknowledged 9
 *   9 ──▶ 4     4         9        the nodes follow when the ledger is down to 4, or nothing granted is under way
 *
 * Pure; how far nodes and ledger have come is known elsewhere.
 */
import type { LedgerView } from '../../pure/ledger/view.js';
import type { Plan, ServicePlan } from '../../pure/plan/plan.js';

/**
 * The new plan with the smaller limits: for the ledger.
 *
 * @returns `after` itself where it has no larger one
 */
export const narrow = (after: Plan, before: Plan): Plan => limited(after, before, Math.min);

/**
 * The new plan with the larger limits: for the nodes.
 *
 * @returns `after` itself where it has no smaller one
 */
export const wide = (after: Plan, before: Plan): Plan => limited(after, before, Math.max);

/** Whether every grant that nodes may still act on fits into the limits of `after`, and so do all that come. */
export function hasSettled(after: Plan, ledger: LedgerView): boolean {
  for (const { name, maxConnections } of after.services.values()) {
    const service = ledger.services.get(name);
    if (service && service.granted > 0 && service.used > maxConnections) return false;
  }
  return true;
}

function limited(after: Plan, before: Plan, choose: (one: number, other: number) => number): Plan {
  const services = new Map<string, ServicePlan>();
  let differs = false;
  for (const [name, service] of after.services) {
    const former = before.services.get(name) ?? service;
    const maxConnections = choose(service.maxConnections, former.maxConnections);
    const isOther = maxConnections !== service.maxConnections;
    differs ||= isOther;
    // The smaller of the two reserves fits into either limit.
    const killReserve = Math.min(service.killReserve, former.killReserve);
    services.set(name, isOther ? { ...service, maxConnections, killReserve } : service);
  }
  return differs ? { ...after, services } : after;
}
