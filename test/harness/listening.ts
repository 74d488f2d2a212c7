/** What a process listens on, as the kernel's tables have it (proc(5), `/proc/PID/net/tcp`). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Of a line of the table: state, and the socket’s inode. */
const line = /^\s*\d+: \S+ \S+ (\S\S) (?:\S+\s+){5}(\d+)/;
const isListening = '0A';

/** Sockets of this process, in both families, that listen. */
export function listeningSockets(pid: number): number {
  const inodes = new Set<string>();
  for (const name of ['tcp', 'tcp6'])
    for (const row of readFileSync(`/proc/${pid}/net/${name}`, 'utf8').split('\n')) {
      const [, state, inode] = line.exec(row) ?? [];
      if (state === isListening) inodes.add(inode!);
    }
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
    return inode !== undefined && inodes.has(inode);
  }).length;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return '';
  }
}
