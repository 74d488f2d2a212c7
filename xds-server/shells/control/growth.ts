/**
 * Limits that grow: the ledger may give the new slots only once each node's breaker lets them through, or Envoy would
 * close what was granted. Limits that shrink are in force at once. Pure; how the nodes are doing is known elsewhere.
 */
import type { Plan, ServicePlan } from '../../pure/plan/plan.js';

/**
 * The new plan as it may be in force before the nodes have followed it.
 *
 * @returns `after` itself when no limit grows
 */
export function beforeGrowth(after: Plan, before: Plan): Plan {
  const services = new Map<string, ServicePlan>();
  let grows = false;
  for (const [name, service] of after.services) {
    const limit = before.services.get(name)?.maxConnections ?? service.maxConnections;
    const isGrowing = limit < service.maxConnections;
    grows ||= isGrowing;
    services.set(name, isGrowing ? { ...service, maxConnections: limit } : service);
  }
  return grows ? { ...after, services } : after;
}
