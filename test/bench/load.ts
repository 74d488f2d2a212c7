/** Runs the load generator (load/) against a front; what it measures is in its own words there. */
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import { account, database, type Front } from './front.js';

const run = promisify(execFile);
const program = path.resolve(import.meta.dirname, '../../build/bin/sluice-load');
const environment = { ...process.env, PGPASSWORD: account.password };

export interface Load {
  readonly seconds: number;
  readonly bytes: number;
  /** Of the generator itself. */
  readonly cpuMs: number;
  /** Of each unit of work, from the moment it was due. */
  readonly latenciesMs: readonly number[];
}

type Mode =
  | { readonly mode: 'storm' | 'in' | 'out'; readonly threads: number; readonly seconds: number }
  | { readonly mode: 'paced'; readonly threads: number; readonly seconds: number; readonly rate: number };

function targetArguments(front: Front): string[] {
  return [
    ...['--address', `${front.host}:${front.port}`, '--name', front.hostname],
    ...['--user', account.name, '--database', database, ...(front.direct ? ['--direct'] : [])],
  ];
}

/** @throws when any of its work fails: a figure with failures in it compares nothing. */
export async function load(front: Front, { mode, ...options }: Mode): Promise<Load> {
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const { stdout } = await run(program, [mode, ...targetArguments(front), ...flags], {
    env: environment,
    maxBuffer: 1 << 28,
  });
  return readLoad(front, stdout);
}

function readLoad(front: Front, text: string): Load {
  const said = JSON.parse(text) as {
    seconds: number;
    bytes: number;
    cpu_ms: number;
    failures: number;
    shown: string[];
    latencies_us: number[];
  };
  if (said.failures > 0)
    throw new Error(`${said.failures} failures through ${front.name}: ${said.shown.join('; ')}`);
  return {
    seconds: said.seconds,
    bytes: said.bytes,
    cpuMs: said.cpu_ms,
    latenciesMs: said.latencies_us.map((us) => us / 1000),
  };
}

/** Sessions that rest until `release`. */
export class HeldSessions {
  readonly #front: Front;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  private constructor(front: Front, child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#front = front;
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Resolves when all of them are open. */
  static async open(front: Front, count: number): Promise<HeldSessions> {
    const child = spawn(program, ['hold', ...targetArguments(front), '--count', String(count)], {
      env: environment,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const held = new HeldSessions(front, child);
    const { value } = await held.#lines.next();
    if (value === `held ${count}`) return held;
    await held.release();
    throw new Error(`expected ${count} sessions through ${front.name}, got: ${value}`);
  }

  async release(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    const { value } = await this.#lines.next();
    await ended;
    readLoad(this.#front, value);
  }
}
