import { isIpAddress, parseAddress } from '../spec/ip.js';
import type { Endpoint } from './plan.js';

/** `0.0.0.0:5432`, `[::]:5432`: the one way in which an address and its port are written, by Envoy too. */
export function formatAddress({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether it is one of these; false where a name stands in for the address. */
export function isAddress(text: string): boolean {
  return parseAddress(text) !== undefined;
}

/** Of servers, as nodes report them; undefined where a name is among them: where that leads, Envoy alone knows. */
export function addressesOf(endpoints: readonly Endpoint[]): ReadonlySet<string> | undefined {
  return endpoints.every(({ host }) => isIpAddress(host)) ? new Set(endpoints.map(formatAddress)) : undefined;
}
