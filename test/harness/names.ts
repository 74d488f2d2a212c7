/**
 * Host names for client programs, without touching a system file. A client finds its service by name: the name is
 * what it sends as SNI. Debian's nss_wrapper answers the C library's own look-ups (getaddrinfo) from a file of ours,
 * for the processes that are started with this environment and for nobody else; the clients themselves are
 * unmodified and use their own normal options. (Names below `.localhost` are not resolved by every C library, and
 * HOSTALIASES only renames what DNS knows.)
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { scratchFolder } from './scratch.js';

/** Environment of a process for which every name of `hosts` is at its address. */
export function resolving(hosts: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const file = path.join(scratchFolder('names'), 'hosts');
  const lines = Object.entries(hosts).map(([name, address]) => `${address} ${name}\n`);
  writeFileSync(file, lines.join(''), { mode: 0o644 });
  return { LD_PRELOAD: 'libnss_wrapper.so', NSS_WRAPPER_HOSTS: file };
}
