/**
 * Which of the plan's servers is meant by an address that a node has reported. Only those are ever spoken to: what a
 * node says leads the brain nowhere else.
 */
import type { Endpoint, Plan, TargetPlan } from '../plan/plan.js';
import { canonicalHost, isIpAddress, parseAddress } from '../spec/ip.js';

export interface Server {
  readonly target: TargetPlan;
  /** As in the spec; its host may be a name. */
  readonly endpoint: Endpoint;
  /** The address that was reported. */
  readonly host: string;
  readonly port: number;
}

/** @param address `10.0.0.5:5432`, `[2001:db8::5]:5432` */
export function serverOf(address: string, plan: Plan): Server | undefined {
  const reported = parseAddress(address);
  if (!reported) return undefined;
  const { port } = reported;
  const host = canonicalHost(reported.host);
  let named: Server | undefined;
  for (const target of plan.targets.values())
    for (const endpoint of target.endpoints) {
      if (endpoint.port !== port) continue;
      if (canonicalHost(endpoint.host) === host) return { target, endpoint, host, port };
      // A name may stand for any address.
      if (!isIpAddress(endpoint.host)) named ??= { target, endpoint, host, port };
    }
  return named;
}
