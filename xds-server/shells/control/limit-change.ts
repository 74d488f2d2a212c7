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

/** The services whose limit on the nodes is another than that of `plan`, with the nodes' own. */
export function limitsUnlike(plan: Plan, nodes: Plan): ReadonlyMap<string, number> {
  const unlike = new Map<string, number>();
  for (const [name, { maxConnections }] of nodes.services)
    if (plan.services.get(name)?.maxConnections !== maxConnections) unlike.set(name, maxConnections);
  return unlike;
}

/** The plan with these limits in place of its own. @returns `plan` itself where there are none. */
export function withLimits(plan: Plan, limits: ReadonlyMap<string, number>): Plan {
  if (limits.size === 0) return plan;
  const services = new Map(plan.services);
  for (const [name, maxConnections] of limits) {
    const service = services.get(name);
    if (service) services.set(name, { ...service, maxConnections });
  }
  return { ...plan, services };
}

/** Whether the target of a service whose limit is on its way down is still counted: old grants may be under way there. */
export function isCounting(plan: Plan, nodes: Plan, ledger: LedgerView): boolean {
  for (const name of limitsUnlike(plan, nodes).keys()) {
    const target = plan.services.get(name)?.target;
    if (target !== undefined && ledger.targets.get(target)?.recovering) return true;
  }
  return false;
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
