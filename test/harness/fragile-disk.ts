/** A disk in memory for tests, of which a loss of power takes away whatever was not made durable. */
import path from 'node:path';
import type { Disk } from '../../xds-server/shells/store/disk.js';
import type { Reading } from '../../xds-server/shells/store/read-bounded.js';

export class PowerLost extends Error {}

/** A change of a folder that may not have reached the disk: a name given to a file, or taken away. */
interface NameChange {
  readonly name: string;
  readonly file: File | undefined;
}

interface File {
  bytes: Uint8Array;
  /** Of which the first so many are durable. */
  durable: number;
}

/** `names`: which changes of names have happened, by their place; each may, whatever became of those before it. */
export interface Remains {
  readonly bytes: number | 'all';
  readonly names: ReadonlySet<number> | 'all';
}

export class FragileDisk implements Disk {
  readonly #durable = new Map<string, File>();
  #changes: NameChange[] = [];
  #lost = Number.POSITIVE_INFINITY;
  #failure: { readonly step: number; readonly error: Error } | undefined;
  #sleep: { reached(): void; readonly woken: Promise<void> } | undefined;
  #unique = 0;
  /** So far, since the last call of `loseAt`. */
  steps = 0;

  /** @param withoutSyncOf a guard that is taken away, to see that the tests would notice */
  constructor(private readonly guards: { readonly withoutSyncOf?: 'file' | 'folder' } = {}) {}

  get isLost(): boolean {
    return this.steps >= this.#lost;
  }

  /** That step and all after it do not happen; of a file each byte is a step. */
  loseAt(step: number): void {
    this.steps = 0;
    this.#lost = step;
  }

  failAt(step: number, error: Error): void {
    this.steps = 0;
    this.#failure = { step, error };
  }

  /** The next writer stops just before he gives a file its name. */
  sleepBeforeLink(): { readonly reached: Promise<void>; wake(): void } {
    let wake = (): void => undefined;
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const reached = new Promise<void>((resolve) => {
      this.#sleep = { reached: resolve, woken };
    });
    return { reached, wake };
  }

  *everythingThatMayRemain(): Generator<Remains> {
    const unsynced = Math.max(0, ...this.#files().map(({ bytes, durable }) => bytes.length - durable));
    for (let kept = 0; kept <= unsynced; kept += 1)
      for (let mask = 0; mask < 2 ** this.#changes.length; mask += 1)
        yield {
          bytes: kept,
          names: new Set(this.#changes.map((_, index) => index).filter((index) => mask & (1 << index))),
        };
  }

  /** What a machine finds that starts again. */
  after({ bytes, names }: Remains): FragileDisk {
    const disk = new FragileDisk(this.guards);
    const found = new Map(this.#durable);
    for (const [index, { name, file }] of this.#changes.entries()) {
      if (names !== 'all' && !names.has(index)) continue;
      if (file) found.set(name, file);
      else found.delete(name);
    }
    for (const [name, file] of found) {
      const length = bytes === 'all' ? file.bytes.length : Math.min(file.bytes.length, file.durable + bytes);
      disk.#durable.set(name, { bytes: file.bytes.subarray(0, length), durable: length });
    }
    return disk;
  }

  async names(folder: string): Promise<readonly string[]> {
    this.#step();
    return [...this.#now().keys()]
      .filter((name) => path.dirname(name) === folder)
      .map((name) => path.basename(name));
  }

  async read(file: string): Promise<Reading> {
    this.#step();
    const found = this.#now().get(file);
    return found
      ? { kind: 'read', bytes: found.bytes }
      : { kind: 'unreadable', expected: 'a readable file', found: 'none' };
  }

  async writeDurably(name: string, bytes: Uint8Array): Promise<void> {
    this.#step();
    const file: File = { bytes: new Uint8Array(), durable: 0 };
    this.#changes.push({ name, file });
    for (let length = 1; length <= bytes.length; length += 1) {
      this.#step();
      file.bytes = bytes.slice(0, length);
    }
    this.#step();
    if (this.guards.withoutSyncOf !== 'file') file.durable = bytes.length;
  }

  async link(file: string, name: string): Promise<boolean> {
    const sleep = this.#sleep;
    this.#sleep = undefined;
    sleep?.reached();
    await sleep?.woken;
    this.#step();
    const now = this.#now();
    if (now.has(name)) return false;
    this.#changes.push({ name, file: now.get(file) });
    return true;
  }

  async remove(name: string): Promise<void> {
    this.#step();
    if (this.#now().has(name)) this.#changes.push({ name, file: undefined });
  }

  async syncFolder(): Promise<void> {
    this.#step();
    if (this.guards.withoutSyncOf === 'folder') return;
    for (const [name, file] of this.#now()) this.#durable.set(name, file);
    for (const name of this.#durable.keys()) if (!this.#now().has(name)) this.#durable.delete(name);
    this.#changes = [];
  }

  async makeFolder(): Promise<void> {
    this.#step();
  }

  async ageMs(): Promise<number | undefined> {
    return 0;
  }

  uniqueName(): string {
    this.#unique += 1;
    return `${this.#unique}`;
  }

  #step(): void {
    this.steps += 1;
    if (this.steps >= this.#lost) throw new PowerLost();
    if (this.#failure?.step === this.steps) throw this.#failure.error;
  }

  #now(): Map<string, File> {
    const now = new Map(this.#durable);
    for (const { name, file } of this.#changes) {
      if (file) now.set(name, file);
      else now.delete(name);
    }
    return now;
  }

  #files(): File[] {
    return this.#changes.flatMap(({ file }) => (file ? [file] : []));
  }
}
