/**
 * Which service does a server name mean? A service has one hostname, exact or with a wildcard for its left-most label,
 * as certificates have them (RFC 9525 section 6.3, before it RFC 6125 section 6.4.3):
 *
 *   *.orders.db.example.com   a.orders.db.example.com; not a.b.orders.db.example.com, not orders.db.example.com
 *
 * A name is found by two look-ups however many services there are: as it stands, and with `*` for its first label. So an
 * exact name wins over a wildcard, and no name is ever within two wildcards.
 */
import { isHostname } from '../spec/hostname.js';

/** Hostname in lower case, exact or `*.…` → name of the service. */
export type Hostnames = ReadonlyMap<string, string>;

/** @param serverName as the client sent it: anything */
export function serviceOf(hostnames: Hostnames, serverName: string): string | undefined {
  const name = canonical(serverName);
  // A wildcard itself is no name to be sent.
  const exact = name.startsWith('*') ? undefined : hostnames.get(name);
  if (exact !== undefined || !isHostname(name)) return exact;
  return hostnames.get(`*${name.slice(name.indexOf('.'))}`);
}

/** Host names are compared without regard to case, and a dot at the end names the root (RFC 1034 section 3.1). */
function canonical(serverName: string): string {
  const name = serverName.toLowerCase();
  return name.endsWith('.') ? name.slice(0, -1) : name;
}
