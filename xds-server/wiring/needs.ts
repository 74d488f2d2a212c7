/** What a node has to have acknowledged before it can carry out what is decided. */
import type { ServicePlan } from '../pure/plan/plan.js';
import { TypeUrl } from '../pure/snapshot/snapshot.js';
import { verifiedServers } from '../pure/snapshot/upstream-tls.js';
import type { Enactment } from '../shells/control/enactment.js';
import type { XdsServer } from '../shells/xds/xds-server.js';

/**
 * A node can carry out a grant when it has the service's cluster and, where they are not in it, its endpoints and what
 * it verifies the servers with.
 */
export function neededFor(
  { cluster, target }: ServicePlan,
  { snapshot, plan }: Enactment,
): readonly [TypeUrl, string][] {
  const isApart = snapshot?.sets.get(TypeUrl.endpoints)?.resources.has(cluster);
  const planned = plan.targets.get(target);
  const secrets = planned ? verifiedServers(planned).map(({ secret }) => secret) : [];
  return [
    [TypeUrl.cluster, cluster],
    ...(isApart ? [[TypeUrl.endpoints, cluster] as [TypeUrl, string]] : []),
    ...secrets.map((secret): [TypeUrl, string] => [TypeUrl.secret, secret]),
  ];
}

/** Whether each node of this brain's own has breakers of this version. */
export function haveRuntime(xds: XdsServer, version: string | undefined): boolean {
  const isRuntime = ({ typeUrl }: { readonly typeUrl: string }): boolean => typeUrl === TypeUrl.runtime;
  return xds.nodes().every(({ types }) => types.find(isRuntime)?.acked === version);
}
