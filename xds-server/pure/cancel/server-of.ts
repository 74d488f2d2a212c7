/**
 * Which of the plan's servers is meant by an address that a node has reported. Only those are ever spoken to: what a
 * node says leads the brain nowhere else. What a name of the plan stands for is asked by whoever speaks to it.
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

/**
 * @param address `10.0.0.5:5432`, `[2001:db8::5]:5432`
 * @param service of the session; its own target's names come first
 * @returns the one whose address is written out, or else each that has a name in its place: of these it is the first
 * whose name `standsFor` the address, if any
 */
export function serversOf(address: string, service: string, plan: Plan): readonly Server[] {
  const reported = parseAddress(address);
  if (!reported) return [];
  const { port } = reported;
  const host = canonicalHost(reported.host);
  const own = plan.services.get(service)?.target;
  const named: { readonly own: Server[]; readonly others: Server[] } = { own: [], others: [] };
  for (const target of plan.targets.values())
    for (const endpoint of target.endpoints) {
      if (endpoint.port !== port) continue;
      const server = { target, endpoint, host, port };
      if (canonicalHost(endpoint.host) === host) return [server];
      if (isNamed(server)) named[target.name === own ? 'own' : 'others'].push(server);
    }
  return [...named.own, ...named.others];
}

/** Whether the spec has a name in place of its address. */
export const isNamed = ({ endpoint }: Server): boolean => !isIpAddress(endpoint.host);

/** @param addresses that its name has */
export function standsFor(addresses: readonly string[], { host }: Server): boolean {
  return addresses.some((address) => canonicalHost(address) === host);
}
