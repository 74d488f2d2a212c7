/** Where the spec is kept when it is not a file: `dir:PATH`, or `etcd:` and the URLs of its members. */
import { isLoopback } from '../spec/ip.js';

export type StoreAddress =
  | { readonly kind: 'dir'; readonly path: string }
  | { readonly kind: 'etcd'; readonly tls: boolean; readonly endpoints: readonly string[] };

const maxEndpoints = 16;

/** @returns a text that completes a usage error when it is none */
export function parseStoreAddress(text: string): StoreAddress | string {
  const colon = text.indexOf(':');
  const [kind, rest] = [text.slice(0, colon), text.slice(colon + 1)];
  if (kind === 'dir' && rest !== '' && !rest.includes('\0')) return { kind: 'dir', path: rest };
  if (kind !== 'etcd' || rest === '')
    return 'expected dir:PATH or etcd:URL,URL…, such as etcd:https://etcd-0.example.com:2379';
  const urls = rest.split(',');
  if (urls.length > maxEndpoints) return `expected at most ${maxEndpoints} URLs, found ${urls.length}`;
  const endpoints: string[] = [];
  const schemes = new Set<string>();
  for (const each of urls) {
    const found = endpointOf(each);
    if (typeof found === 'string') return found;
    schemes.add(found.scheme);
    endpoints.push(found.endpoint);
  }
  if (schemes.size > 1) return 'expected https:// in each URL of etcd, or http:// in each, found both';
  return { kind: 'etcd', tls: schemes.has('https'), endpoints };
}

/** As it is written on the command line. */
export function formatStoreAddress(address: StoreAddress): string {
  if (address.kind === 'dir') return `dir:${address.path}`;
  const scheme = address.tls ? 'https' : 'http';
  return `etcd:${address.endpoints.map((endpoint) => `${scheme}://${endpoint}`).join(',')}`;
}

function endpointOf(url: string): { readonly scheme: 'http' | 'https'; readonly endpoint: string } | string {
  const [, scheme, host, digits] =
    /^(https?):\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})\/?$/.exec(url) ?? [];
  const port = Number(digits);
  // What is wrong is not repeated: it may hold a password.
  if (scheme === undefined || host === undefined || !(port >= 1 && port <= 65_535))
    return 'expected URLs of etcd such as https://etcd-0.example.com:2379, found something else';
  if (scheme === 'http' && !isLoopback(host.replace(/^\[|\]$/g, '')))
    return `without TLS nobody knows who etcd is, so it is spoken to on loopback only: expected https://, 127.0.0.1 or [::1], found http://${host}`;
  return { scheme: scheme as 'http' | 'https', endpoint: `${host}:${port}` };
}

export interface StoreSettings {
  readonly address: StoreAddress;
  /** Paths of PEM files; undefined where etcd is spoken to without TLS, and for a folder. */
  readonly etcdTls: EtcdTlsFiles | undefined;
  /** Before the names of all keys in etcd: `/sluice`. */
  readonly etcdPrefix: string;
}

export interface EtcdTlsFiles {
  readonly ca: string;
  /** Both or neither: what etcd is shown. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}
