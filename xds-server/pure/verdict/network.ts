/** Is an address within a network? An IPv4 address mapped into IPv6 (RFC 4291 section 2.5.5.2) is the IPv4 address. */
import { formatIp, type IpBytes, isMapped, maskOf, parseCidr, parseIp, unmapped } from '../spec/ip.js';

/** Of IPv6, what one client has to itself (RFC 4291 section 2.5.4). */
const ownPrefix = 64;

/** `10.1.2.3` as it comes from a socket, a zone (`fe80::1%eth0`) left aside; undefined when it is no address. */
export function addressBytes(text: string): IpBytes | undefined {
  const bytes = parseIp(text.split('%', 1)[0]!);
  return bytes && isMapped(bytes) ? bytes.slice(12) : bytes;
}

/** False too when either is not well formed. */
export function isWithin(address: string, cidr: string): boolean {
  const host = addressBytes(address);
  const parsed = parseCidr(cidr);
  if (!host || !parsed) return false;
  const { network, prefix } = unmapped(parsed);
  if (network.length !== host.length) return false;
  const whole = prefix >> 3;
  for (let i = 0; i < whole; i++) if (network[i] !== host[i]) return false;
  const rest = prefix & 7;
  return rest === 0 || ((network[whole]! ^ host[whole]!) & (0xff << (8 - rest)) & 0xff) === 0;
}

/** Whom limits take for one client: an IPv4 address, or the network that an IPv6 client has to itself. */
export function sourceOf(address: string): string {
  if (!address.includes(':')) return address;
  const bytes = addressBytes(address);
  if (!bytes || bytes.length === 4) return address;
  return formatIp(maskOf({ network: bytes, prefix: ownPrefix }));
}

/** The same for people to read: of IPv6 it says that it is a network. */
export function sourceText(source: string): string {
  return addressBytes(source)?.length === 16 ? `${source}/${ownPrefix}` : source;
}
