/** A client program, run to its end. */
import { spawn } from 'node:child_process';

export type Environment = Readonly<Record<string, string>>;

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Longer than any client works; one that hangs is ended by then, which its tests see. */
const withinMs = 150_000;

/** @throws when it can't be started. */
export function runProgram(
  command: string,
  args: readonly string[],
  environment: Environment,
  input = '',
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    // Tied to this process's life like every other child of a test (harness/child.ts).
    const child = spawn('setpriv', ['--pdeathsig=KILL', '--', command, ...args], {
      env: { ...process.env, ...environment },
      stdio: 'pipe',
      timeout: withinMs,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
    // It may have left without reading it.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
