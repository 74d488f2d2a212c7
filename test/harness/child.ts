/**
 * A process that a test started: stopped by its own id, its output kept in a file, and never outliving the test:
 * the kernel signals it when the test process dies, however that dies (setpriv --pdeathsig).
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { atEnd } from './ending.js';
import { keepLog } from './scratch.js';
import { Hopeless, waitUntil } from './wait-until.js';

export interface ChildOptions {
  /** Shown above its log when a test fails. */
  readonly title: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  /** Where standard output goes; with the log by default. */
  readonly stdoutFile?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A system user to run as when the test runs as root (database servers refuse root). */
  readonly asUser?: string;
  /** What asks this program to end; `SIGTERM` unless said otherwise. */
  readonly stopSignal?: NodeJS.Signals;
  /** What the kernel sends it when the test process has died; `SIGKILL` unless said otherwise. */
  readonly orphanSignal?: NodeJS.Signals;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export const isRoot = process.getuid?.() === 0;

/** How long a process may take to end before it is killed. */
const stopWithinMs = 10_000;

/** Becomes the command itself, as the wanted user, tied to the life of this process. */
function tethered(options: ChildOptions): readonly string[] {
  const { asUser, orphanSignal = 'SIGKILL' } = options;
  const identity =
    asUser && isRoot ? [`--reuid=${asUser}`, `--regid=${groupOf(asUser)}`, '--init-groups'] : [];
  return ['setpriv', ...identity, `--pdeathsig=${orphanSignal}`, '--', options.command, ...options.args];
}

function groupOf(user: string): string {
  return execFileSync('id', ['-g', user], { encoding: 'utf8' }).trim();
}

export class Child {
  readonly exited: Promise<Exit>;
  readonly #options: ChildOptions;
  readonly #process: ChildProcess;
  #exit: Exit | undefined;

  private constructor(options: ChildOptions, process: ChildProcess) {
    this.#options = options;
    this.#process = process;
    this.exited = new Promise((resolve) => {
      process.once('exit', (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
  }

  /** @throws when the program can't be started at all. */
  static async start(options: ChildOptions): Promise<Child> {
    const [command, ...args] = tethered(options);
    const log = openSync(options.logFile, 'a');
    const stdout = options.stdoutFile ? openSync(options.stdoutFile, 'a') : log;
    keepLog(options.title, options.logFile);
    try {
      const started = spawn(command!, args, {
        stdio: ['ignore', stdout, log],
        env: { ...process.env, ...options.env },
        cwd: '/',
      });
      const child = new Child(options, started);
      await new Promise<void>((resolve, reject) => {
        started.once('spawn', resolve);
        started.once('error', reject);
      });
      await atEnd(() => child.stop());
      return child;
    } finally {
      closeSync(log);
      if (stdout !== log) closeSync(stdout);
    }
  }

  get pid(): number {
    return this.#process.pid!;
  }

  get isRunning(): boolean {
    return this.#exit === undefined;
  }

  /** Everything it has said so far. */
  get log(): string {
    return existsSync(this.#options.logFile) ? readFileSync(this.#options.logFile, 'utf8') : '';
  }

  /** @throws Hopeless when it has ended: it will never be ready. */
  assertRunning(): void {
    if (!this.#exit) return;
    throw new Hopeless(
      `${this.#options.title} ended (${JSON.stringify(this.#exit)}):\n${this.log.slice(-4000)}`,
    );
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#process.kill(signal);
  }

  /** Resolves when each of its threads stands still: until then it may go on answering. `SIGCONT` lets it go on. */
  async standStill(): Promise<void> {
    this.signal('SIGSTOP');
    const tasks = `/proc/${this.pid}/task`;
    await waitUntil(`${this.#options.title} stands still`, () =>
      readdirSync(tasks).every((task) => /\) T /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8'))),
    );
  }

  async kill(): Promise<Exit> {
    this.signal('SIGKILL');
    return this.exited;
  }

  async stop(): Promise<Exit> {
    this.signal(this.#options.stopSignal ?? 'SIGTERM');
    const impatience = setTimeout(() => this.signal('SIGKILL'), stopWithinMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(impatience);
    }
  }
}
