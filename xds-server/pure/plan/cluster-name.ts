/**
 * The name of a service's Envoy cluster says which servers it leads to:
 *
 *   service/checkout/orders/primary/1f0c9a2e          and `/tls` where the session filter has to ask for TLS
 *           service  target         servers
 *
 * A grant names its cluster. So one that was given under yesterday's plan opens at the servers that it was counted for, or,
 * where the node does not have that cluster any more, nothing at all; never at servers to which the service, or the
 * target, has moved meanwhile, and never in clear what is meant for TLS.
 */
import { formatAddress } from './address.js';
import type { Endpoint, TargetName } from './plan.js';

const tlsSuffix = '/tls';

export function clusterName(
  service: string,
  target: TargetName,
  servers: readonly Endpoint[],
  asksForTls: boolean,
): string {
  const addresses = servers.map(formatAddress).sort();
  return `service/${service}/${target}/${digest(addresses.join(' '))}${asksForTls ? tlsSuffix : ''}`;
}

export function asksForTls(cluster: string): boolean {
  return cluster.endsWith(tlsSuffix);
}

/**
 * FNV-1a, 32 bits, in hexadecimal: to tell the few sets of servers apart that one target has in its life.
 * http://www.isthe.com/chongo/tech/comp/fnv/
 */
function digest(text: string): string {
  let hash = 0x811c9dc5;
  for (const char of new TextEncoder().encode(text)) hash = Math.imul(hash ^ char, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
