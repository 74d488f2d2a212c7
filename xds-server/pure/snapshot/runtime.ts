import type { Runtime } from '#envoy-api/envoy/service/runtime/v3/Runtime.js';
import type { Plan } from '../plan/plan.js';
import { struct } from './messages.js';

/** Name of the runtime layer, in the bootstrap and on the wire. */
export const runtimeLayer = 'sluice';

/**
 * The breakers of every service: a second line behind the ledger, in each node. As runtime values they take effect
 * on the connections that there are; in a cluster they would start a new count.
 */
export function runtime(plan: Plan): Runtime {
  const values: Record<string, number> = {};
  for (const { cluster, maxConnections } of plan.services.values()) {
    values[`circuit_breakers.${cluster}.default.max_connections`] = maxConnections;
    // For TCP this one limits connections as well.
    values[`circuit_breakers.${cluster}.default.max_pending_requests`] = maxConnections;
  }
  return { name: runtimeLayer, layer: struct(values) };
}
