/** `host:port` on the command line, read one way everywhere; IPv6 in brackets: `[::1]:18000`. */
import { isIPv4, isIPv6 } from 'node:net';
import { InvalidArgumentError } from 'commander';

export interface Address {
  /** An IP address; IPv6 without its brackets. */
  readonly host: string;
  /** 0 to 65535; 0 is any free one, where somebody listens. */
  readonly port: number;
}

/** Where the brain serves Envoys unless told otherwise. */
export const defaultXds: Address = { host: '127.0.0.1', port: 18000 };
/** Where it serves operators. */
export const defaultAdmin: Address = { host: '127.0.0.1', port: 18080 };

/**
 * Names are not taken: `localhost` may be either family, and the two ends would then differ.
 *
 * @throws InvalidArgumentError, which commander turns into a usage message
 */
export function parseAddress(text: string): Address {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? '';
  const known = bracketed === undefined ? isIPv4(host) : isIPv6(host) && !host.includes('%');
  const port = Number(digits);
  if (!known || !(port <= 65_535))
    throw new InvalidArgumentError(
      'Expected an IP address and a port, such as 127.0.0.1:18000 or [::1]:18000.',
    );
  return { host, port };
}

/** Like `parseRemoteAddress`, and a DNS name may stand for the address; whether it may is for the command to say. */
export function parseNamedAddress(text: string): Address {
  const [, host, digits] = /^([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*):(\d{1,5})$/.exec(text) ?? [];
  // A name whose last label is a number is meant for an IPv4 address, and nobody can dial it.
  if (host === undefined || /^\d+$/.test(host.split('.').at(-1)!)) return parseRemoteAddress(text);
  const port = Number(digits);
  if (port >= 1 && port <= 65_535) return { host, port };
  throw new InvalidArgumentError('Expected a port from 1 to 65535.');
}

/** An address where somebody else listens: its port is known. @throws InvalidArgumentError */
export function parseRemoteAddress(text: string): Address {
  const address = parseAddress(text);
  if (address.port === 0) throw new InvalidArgumentError('Expected a port from 1 to 65535.');
  return address;
}
