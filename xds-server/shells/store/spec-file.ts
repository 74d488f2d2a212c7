/**
 * A spec file that is followed: each state of it that may be taken is handed on, each that may not is reported, and
 * whoever listens keeps the last good one.
 *
 *   change ──▶ FileWatch ──quiet──▶ loadSpec ──▶ same as last told? ── yes ──▶ nothing
 *                                      ▲                │ no
 *                                      │                ▼
 *                             other files named?   onChange | onProblems
 */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import type { Problem } from '../../pure/spec/problem.js';
import { FileWatch } from './file-watch.js';
import { type LoadedSpec, loadSpec, type Reading, type Surroundings } from './load-spec.js';

export interface SpecListener {
  /** The file as it is now may be taken. Called again with equal content after problems are mended. */
  onChange(loaded: LoadedSpec): void;
  /** The file as it is now may not be taken, and why; never empty. */
  onProblems(problems: readonly Problem[]): void;
}

/** A file that names other files than before is read again once these are watched; files that keep swapping are let be. */
const maxRounds = 5;

/**
 * A spec that is cut off in the middle of being written may be a good spec with fewer services. Where it may be one, it
 * must stay as it is for this long: with the watch's own patience still less than 200 ms.
 */
const suspicionMs = 100;

export class SpecFile {
  readonly #path: string;
  readonly #listener: SpecListener;
  readonly #env: Surroundings['env'];
  readonly #watch: FileWatch;
  #following: ReadonlySet<string>;
  #told = '';
  #lastText = '';
  #suspected = '';
  #suspicion: NodeJS.Timeout | undefined;
  #reading = false;
  #again = false;
  #closed = false;

  private constructor(path: string, listener: SpecListener, env: Surroundings['env']) {
    this.#path = resolve(path);
    this.#listener = listener;
    this.#env = env;
    this.#watch = new FileWatch(() => void this.#look());
    this.#following = new Set([this.#path]);
  }

  /** Resolves when the first reading has been told to `listener`. @param env where `password: {env: …}` looks. */
  static async open(
    path: string,
    listener: SpecListener,
    env: Surroundings['env'] = process.env,
  ): Promise<SpecFile> {
    const file = new SpecFile(path, listener, env);
    await file.#look();
    return file;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#suspicion);
    this.#watch.close();
  }

  async #look(): Promise<void> {
    this.#again = true;
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#again && !this.#closed) {
        this.#again = false;
        this.#tell(await this.#read());
      }
    } finally {
      this.#reading = false;
    }
  }

  /** Watches before it reads, so that what changes in between is read again. */
  async #read(): Promise<Reading> {
    for (let round = 1; ; round += 1) {
      if (!this.#closed) this.#watch.follow([...this.#following]);
      const reading = await loadSpec(this.#path, { env: this.#env, now: new Date() });
      const unwatched = reading.dependsOn.some((path) => !this.#following.has(path));
      this.#following = new Set(reading.dependsOn);
      if (!unwatched || round === maxRounds) return reading;
    }
  }

  #tell(reading: Reading): void {
    if (this.#closed) return;
    const content = fingerprint(reading);
    if (content === this.#told || this.#isSuspect(reading, content)) return;
    this.#told = content;
    this.#suspected = '';
    if (reading.kind === 'problems') this.#listener.onProblems(reading.problems);
    else {
      this.#lastText = reading.text;
      this.#listener.onChange(reading.loaded);
    }
  }

  /** True when the same must be read once more before it is believed. */
  #isSuspect(reading: Reading, content: string): boolean {
    clearTimeout(this.#suspicion);
    const isFirst = this.#told === '';
    if (isFirst || reading.kind === 'problems' || !mayBeCutOff(reading.text, this.#lastText)) return false;
    if (this.#suspected === content) return false;
    this.#suspected = content;
    this.#suspicion = setTimeout(() => void this.#look(), suspicionMs);
    return true;
  }
}

function mayBeCutOff(text: string, before: string): boolean {
  return !text.endsWith('\n') || (text.length < before.length && before.startsWith(text));
}

/** Equal for readings that have nothing new to tell. */
function fingerprint(reading: Reading): string {
  if (reading.kind === 'problems') return `problems ${JSON.stringify(reading.problems)}`;
  const { files, passwords } = reading.loaded;
  const hash = createHash('sha256').update(reading.text);
  const add = (name: string, value: Uint8Array | string): void => {
    hash.update(`\0${name}\0${value.length}\0`).update(value);
  };
  for (const name of [...files.keys()].sort()) add(name, files.get(name)!);
  for (const name of [...passwords.keys()].sort()) add(name, passwords.get(name)!.reveal());
  return `loaded ${hash.digest('hex')}`;
}
