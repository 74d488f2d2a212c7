/**
 * A spec that is followed, in its file or in a store: each state of it that may be taken is handed on, each that may not
 * is reported, and whoever listens keeps the last good one.
 *
 *   change ──▶ FileWatch ──quiet──▶ loadSpec ──▶ same as last told? ── yes ──▶ nothing
 *                                      ▲                │ no
 *                                      │                ▼
 *                             other files named?   onChange | onProblems
 *
 * A file that the system failed to read is read again after a while: no change will say that it can be read.
 */
import { createHash } from 'node:crypto';
import type { Problem } from '../../pure/spec/problem.js';
import { FileWatch } from './file-watch.js';
import { type LoadedSpec, loadSpec, type Origin, type Reading, type Surroundings } from './load-spec.js';

export interface SpecListener {
  /**
   * The spec as it is now may be taken. Called again with equal content after problems are mended, for a new revision of
   * a store, and when there is something else to warn of.
   */
  onChange(loaded: LoadedSpec, revision: number | undefined): void;
  /** The spec as it is now may not be taken, and why; never empty. */
  onProblems(problems: readonly Problem[], revision: number | undefined): void;
}

/** A file that names other files than before is read again once these are watched; files that keep swapping are let be. */
const maxRounds = 5;

/**
 * A spec that is cut off in the middle of being written may be a good spec with fewer services. Where it may be one, it
 * must stay as it is for this long: with the watch's own patience still less than 200 ms.
 */
const suspicionMs = 100;

/** How often certificates that nobody renews are looked at again: their days may be counted by now. */
const lookMs = 60 * 60 * 1000;

/** Between two tries of what the system failed to read, each twice as long as the last: a try is all files of the spec. */
const retryMs = { first: 100, most: 10_000 } as const;

export class FollowedSpec {
  readonly #origin: Origin;
  readonly #listener: SpecListener;
  readonly #env: Surroundings['env'];
  readonly #watch: FileWatch;
  #following: ReadonlySet<string>;
  #told = '';
  #lastText = '';
  #suspected = '';
  #suspicion: NodeJS.Timeout | undefined;
  readonly #hourly: NodeJS.Timeout;
  #retry: NodeJS.Timeout | undefined;
  #retryMs: number = retryMs.first;
  #reading = false;
  #again = false;
  #closed = false;

  private constructor(origin: Origin, listener: SpecListener, env: Surroundings['env']) {
    this.#origin = origin;
    this.#listener = listener;
    this.#env = env;
    this.#watch = new FileWatch(() => void this.look());
    this.#following = new Set(origin.files);
    this.#hourly = setInterval(() => void this.look(), lookMs);
    this.#hourly.unref();
  }

  /** Resolves when the first reading has been told to `listener`. @param env where `password: {env: …}` looks. */
  static async open(
    origin: Origin,
    listener: SpecListener,
    env: Surroundings['env'] = process.env,
  ): Promise<FollowedSpec> {
    const spec = new FollowedSpec(origin, listener, env);
    await spec.look();
    return spec;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#suspicion);
    clearTimeout(this.#retry);
    clearInterval(this.#hourly);
    this.#watch.close();
  }

  /** The origin may have another text. */
  async look(): Promise<void> {
    this.#again = true;
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#again && !this.#closed) {
        this.#again = false;
        const reading = await this.#read();
        this.#tell(reading);
        this.#retryLater(reading);
      }
    } finally {
      this.#reading = false;
    }
  }

  /** Watches before it reads, so that what changes in between is read again. */
  async #read(): Promise<Reading> {
    for (let round = 1; ; round += 1) {
      if (!this.#closed) this.#watch.follow([...this.#following]);
      const reading = await loadSpec(this.#origin, { env: this.#env, now: new Date() });
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
    if (reading.kind === 'problems') this.#listener.onProblems(reading.problems, reading.revision);
    else {
      this.#lastText = reading.text;
      this.#listener.onChange(reading.loaded, reading.revision);
    }
  }

  #retryLater(reading: Reading): void {
    clearTimeout(this.#retry);
    if (this.#closed) return;
    if (reading.kind === 'loaded' || !reading.mayPass) {
      this.#retryMs = retryMs.first;
      return;
    }
    this.#retry = setTimeout(() => void this.look(), this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, retryMs.most);
  }

  /** True when the same must be read once more before it is believed. */
  #isSuspect(reading: Reading, content: string): boolean {
    clearTimeout(this.#suspicion);
    const isFirst = this.#told === '';
    const isWhole = this.#origin.files.length === 0;
    if (isFirst || isWhole || reading.kind === 'problems' || !mayBeCutOff(reading.text, this.#lastText))
      return false;
    if (this.#suspected === content) return false;
    this.#suspected = content;
    this.#suspicion = setTimeout(() => void this.look(), suspicionMs);
    return true;
  }
}

function mayBeCutOff(text: string, before: string): boolean {
  return !text.endsWith('\n') || (text.length < before.length && before.startsWith(text));
}

/** Equal for readings that have nothing new to tell. */
function fingerprint(reading: Reading): string {
  const { revision } = reading;
  if (reading.kind === 'problems') return `problems ${revision} ${JSON.stringify(reading.problems)}`;
  const { files, passwords, warnings } = reading.loaded;
  const hash = createHash('sha256').update(reading.text).update(JSON.stringify(warnings));
  const add = (name: string, value: Uint8Array | string): void => {
    hash.update(`\0${name}\0${value.length}\0`).update(value);
  };
  for (const name of [...files.keys()].sort()) add(name, files.get(name)!);
  for (const name of [...passwords.keys()].sort()) add(name, passwords.get(name)!.reveal());
  return `loaded ${revision} ${hash.digest('hex')}`;
}
