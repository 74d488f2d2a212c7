/**
 * The temporary folder of this test process, and what is said when it fails: logs are kept in files below it,
 * printed only when a test has failed, and the folder goes with the process.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const shownLines = 60;
const prefix = 'sluice-test-';

let root: string | undefined;
let lastNumber = 0;
const logs = new Map<string, string>();

/** A new folder that database servers, running as their own system users, may pass through. */
export function scratchFolder(name: string): string {
  if (root === undefined) {
    sweep();
    root = mkdtempSync(path.join(tmpdir(), `${prefix}${process.pid}-`));
    chmodSync(root, 0o755);
    process.once('exit', leave);
    // Without a listener these end the process without the event `exit`.
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.once(signal, () => process.exit(1));
  }
  lastNumber += 1;
  const folder = path.join(root, `${lastNumber}-${name}`);
  mkdirSync(folder);
  return folder;
}

/** Names a log file that is worth reading when a test of this process fails. */
export function keepLog(title: string, file: string): void {
  logs.set(file, title);
}

/** Removes what test processes that were killed have left. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const [, pid] = name.startsWith(prefix) ? name.split(prefix) : [];
    if (pid === undefined || existsSync(`/proc/${Number.parseInt(pid, 10)}`)) continue;
    rmSync(path.join(tmpdir(), name), { recursive: true, force: true });
  }
}

function leave(code: number): void {
  if (code !== 0) {
    for (const [file, title] of logs) {
      if (!existsSync(file)) continue;
      const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
      const cut = lines.length > shownLines ? ` (last ${shownLines} of ${lines.length} lines)` : '';
      process.stderr.write(`--- ${title}${cut}\n${lines.slice(-shownLines).join('\n')}\n`);
    }
  }
  if (root !== undefined) rmSync(root, { recursive: true, force: true });
}
