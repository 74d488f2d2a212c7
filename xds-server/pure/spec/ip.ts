/**
 * Addresses in text, as far as a spec needs them: whether one is well formed, and which network it is in.
 * https://www.rfc-editor.org/rfc/rfc4291#section-2.2 for IPv6.
 */

/** An address as its bytes: 4 or 16 of them. */
export type IpBytes = readonly number[];

export function isIpAddress(text: string): boolean {
  return parseIp(text) !== undefined;
}

/** `10.0.0.5`, `2001:db8::1`, `::ffff:10.0.0.5`; undefined for anything else, zone ids and leading zeros included. */
export function parseIp(text: string): IpBytes | undefined {
  return text.includes(':') ? parseV6(text) : parseV4(text);
}

/** 127.0.0.0/8 or ::1. */
export function isLoopback(host: string): boolean {
  const ip = parseIp(host);
  return ip?.length === 4 ? ip[0] === 127 : ip !== undefined && formatIp(ip) === '::1';
}

export interface Cidr {
  readonly network: IpBytes;
  readonly prefix: number;
}

/** `10.1.0.0/16`, `2001:db8::/32`; bits behind the prefix are kept as written. */
export function parseCidr(text: string): Cidr | undefined {
  const [address, length, ...rest] = text.split('/');
  const network = parseIp(address!);
  if (!network || rest.length > 0 || length === undefined || !/^(0|[1-9]\d{0,2})$/.test(length)) return;
  const prefix = Number(length);
  return prefix <= network.length * 8 ? { network, prefix } : undefined;
}

/** The address with every bit behind the prefix cleared. */
export function maskOf({ network, prefix }: Cidr): IpBytes {
  return network.map((byte, i) => {
    const bits = Math.min(8, Math.max(0, prefix - i * 8));
    return byte & (0xff << (8 - bits)) & 0xff;
  });
}

export function formatIp(bytes: IpBytes): string {
  if (bytes.length === 4) return bytes.join('.');
  if (isMapped(bytes)) return `::ffff:${bytes.slice(12).join('.')}`;
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[i * 2]! << 8) | bytes[i * 2 + 1]!).toString(16));
  // The longest run of zero groups, of two at least, is written `::` (RFC 5952).
  const runs = [...groups.join(':').matchAll(/\b0(:0)+\b/g)].sort((a, b) => b[0].length - a[0].length);
  const whole = groups.join(':');
  const run = runs[0];
  if (!run) return whole;
  const before = whole.slice(0, run.index).replace(/:$/, '');
  const after = whole.slice(run.index + run[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}

/** An IPv4 address within IPv6 (RFC 4291 section 2.5.5.2). */
export function isMapped(bytes: IpBytes): boolean {
  return (
    bytes.length === 16 &&
    bytes[10] === 0xff &&
    bytes[11] === 0xff &&
    bytes.slice(0, 10).every((byte) => byte === 0)
  );
}

const mappedPrefixBits = 96;

/** A network of IPv4 addresses within IPv6 as the IPv4 network that it is. */
export function unmapped({ network, prefix }: Cidr): Cidr {
  return isMapped(network) && prefix >= mappedPrefixBits
    ? { network: network.slice(12), prefix: prefix - mappedPrefixBits }
    : { network, prefix };
}

/** By hand: each new connection's address comes by here. */
function parseV4(text: string): IpBytes | undefined {
  const bytes: number[] = [];
  let byte = 0;
  let digits = 0;
  for (let at = 0; at <= text.length; at++) {
    const digit = at < text.length ? text.charCodeAt(at) - zero : dot;
    if (digit >= 0 && digit <= 9) {
      // A leading zero would be octal to some.
      if (digits === 3 || (digits === 1 && byte === 0)) return;
      byte = byte * 10 + digit;
      digits += 1;
    } else {
      if (digit !== dot || digits === 0 || byte > 255 || bytes.length === 4) return;
      bytes.push(byte);
      byte = digits = 0;
    }
  }
  return bytes.length === 4 ? bytes : undefined;
}

const zero = 48;
/** '.' as it counts from '0'. */
const dot = -2;

function parseV6(text: string): IpBytes | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return;
  const head = groupBytes(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? groupBytes(halves[1]!, true) : [];
  if (!head || !tail) return;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1) return missing === 0 ? head : undefined;
  // `::` stands for one group of zeros at least.
  return missing >= 2 ? [...head, ...new Array<number>(missing).fill(0), ...tail] : undefined;
}

/** @param mayEndInV4 only the last part of an address may be written as IPv4. */
function groupBytes(text: string, mayEndInV4: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (part.includes('.') && mayEndInV4 && i === parts.length - 1) {
      const v4 = parseV4(part);
      if (!v4) return;
      bytes.push(...v4);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return;
      const group = Number.parseInt(part, 16);
      bytes.push(group >> 8, group & 0xff);
    }
  }
  return bytes;
}

/** One text for each address, the one that Envoy and servers use; what is no address stays as it is. */
export function canonicalHost(host: string): string {
  const bytes = parseIp(host);
  return bytes ? formatIp(bytes) : host.toLowerCase();
}

/** `0.0.0.0:5432`, `[::]:5432`. */
export function parseAddress(text: string): { host: string; port: number } | undefined {
  const [, v6, v4, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):([1-9]\d{0,4})$/.exec(text) ?? [];
  const host = v6 ?? v4;
  const port = Number(digits);
  if (host === undefined || port > 65_535) return;
  const bytes = parseIp(host);
  return bytes && bytes.length === (v6 === undefined ? 4 : 16) ? { host, port } : undefined;
}
