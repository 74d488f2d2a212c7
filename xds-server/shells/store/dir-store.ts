/**
 * The embedded store: a folder with a file for each revision. A revision comes to be by link(2), which gives one name to
 * one file only: of several writers one wins, and a crash leaves either all of a revision or nothing.
 *
 *   write to .new-… ──fsync──▶ link to 000000000012.yaml ──fsync of the folder──▶ accepted ──▶ old ones removed
 */
import path from 'node:path';
import {
  type SpecStore,
  type StoredSpec,
  type StoreListener,
  StoreTrouble,
  type Written,
} from '../../pure/store/spec-store.js';
import { codeOf, type Disk, realDisk } from './disk.js';
import { FileWatch } from './file-watch.js';
import {
  decodeRevision,
  digestOf,
  encodeRevision,
  fileNameOf,
  longestHead,
  revisionOf,
} from './revision-file.js';

/** Beside the newest. */
const keptRevisions = 100;
/** What a writer that crashed has left. */
const leftoverAgeMs = 60 * 60 * 1000;
const leftover = /^\.new-/;
/** After what could not be read: an error that passes is no change that a watch would tell. */
const tryAgainMs = 1_000;

export class DirStore implements SpecStore {
  readonly name: string;
  readonly #folder: string;

  /** @param maxBytes of a spec */
  constructor(
    folder: string,
    private readonly maxBytes: number,
    private readonly disk: Disk = realDisk,
  ) {
    this.#folder = path.resolve(folder);
    this.name = `dir:${this.#folder}`;
  }

  async read(): Promise<StoredSpec | undefined> {
    const newest = newestOf(await this.#names());
    return newest === 0 ? undefined : (await this.#revision(newest)).stored;
  }

  async absence(): Promise<string | undefined> {
    return (await this.#found()) ? undefined : 'expected a folder, found none';
  }

  async write(spec: Uint8Array, expected: number): Promise<Written> {
    try {
      return await this.#write(spec, expected);
    } catch (error) {
      if (error instanceof StoreTrouble) throw error;
      throw new StoreTrouble(`${this.#folder}: not written: ${(error as Error).message}`);
    }
  }

  async #write(spec: Uint8Array, expected: number): Promise<Written> {
    const { disk } = this;
    await disk.makeFolder(this.#folder);
    const names = await this.#names();
    const found = newestOf(names);
    if (found !== expected) return { kind: 'conflict', found };
    const parent = found === 0 ? '0' : digestOf((await this.#revision(found)).file);
    const revision = expected + 1;
    const bytes = encodeRevision({ revision, parent, bytes: spec });
    const [draft, file] = [this.#path(`.new-${disk.uniqueName()}`), this.#path(fileNameOf(revision))];
    let isLinked = false;
    try {
      await disk.writeDurably(draft, bytes);
      isLinked = await disk.link(draft, file);
    } finally {
      // What is left of it is tidied up later, and changes nothing of what was written.
      await disk.remove(draft).catch(() => undefined);
    }
    if (!isLinked) return { kind: 'conflict', found: newestOf(await this.#names()) };
    try {
      await disk.syncFolder(this.#folder);
    } catch (error) {
      throw new StoreTrouble(
        `${this.#folder}: revision ${revision} is written, and may be lost with the power: ${(error as Error).message}`,
      );
    }
    const isInForce = await this.#isInForce(revision, bytes).catch((error: Error) => {
      throw new StoreTrouble(
        `revision ${revision} is written; whether it is in force cannot be seen: ${error.message}`,
      );
    });
    if (isInForce !== true) await disk.remove(file);
    if (isInForce === undefined)
      throw new StoreTrouble(
        `${this.#folder}: it is not known whether revision ${revision} was in force, so many have come since: \`sluice diff\` tells`,
      );
    if (!isInForce) return { kind: 'conflict', found: newestOf(await this.#names()) };
    await this.#tidy(names, revision).catch(() => undefined);
    return { kind: 'written', revision };
  }

  /**
   * False for a writer that slept so long between looking and linking that the revision he competed for had come and had
   * been removed as old: then others stand above it that do not come from it. undefined: those that would say are gone.
   */
  async #isInForce(revision: number, bytes: Uint8Array): Promise<boolean | undefined> {
    const above = (await this.#names()).map((name) => revisionOf(name) ?? 0).filter((one) => one > revision);
    if (above.length === 0) return true;
    if (!above.includes(revision + 1)) return undefined;
    return (await this.#revision(revision + 1)).parent === digestOf(bytes);
  }

  async follow(listener: StoreListener): Promise<{ close(): void }> {
    let told: { readonly revision: number; readonly digest: string | undefined } | undefined;
    let problem: string | undefined;
    let isClosed = false;
    let isLooking = false;
    let again = false;
    let timer: NodeJS.Timeout | undefined;
    const look = async (): Promise<void> => {
      again = true;
      if (isLooking) return;
      isLooking = true;
      clearTimeout(timer);
      while (again && !isClosed) {
        again = false;
        // Watches before it reads, so that what changes in between is read again.
        watch.follow([this.#path(fileNameOf((told?.revision ?? 0) + 1))]);
        let stored: StoredSpec | undefined;
        let found: string | undefined;
        try {
          stored = await this.read();
        } catch (error) {
          found = (error as Error).message;
        }
        if (isClosed) break;
        if (found !== problem) listener.trouble(found);
        problem = found;
        const now = { revision: stored?.revision ?? 0, digest: stored && digestOf(stored.bytes) };
        if (found !== undefined || (told?.revision === now.revision && told.digest === now.digest)) continue;
        told = now;
        again = true;
        listener.changed(stored);
      }
      isLooking = false;
      if (problem !== undefined && !isClosed) timer = setTimeout(() => void look(), tryAgainMs);
    };
    const watch = new FileWatch(() => void look());
    await look();
    return {
      close() {
        isClosed = true;
        clearTimeout(timer);
        watch.close();
      },
    };
  }

  close(): void {}

  #path(name: string): string {
    return path.join(this.#folder, name);
  }

  async #names(): Promise<readonly string[]> {
    return (await this.#found()) ?? [];
  }

  /** undefined: there is no such folder. */
  async #found(): Promise<readonly string[] | undefined> {
    try {
      return await this.disk.names(this.#folder);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw new StoreTrouble(`${this.#folder}: expected a readable folder, found error ${codeOf(error)}`);
    }
  }

  async #revision(
    revision: number,
  ): Promise<{ readonly file: Uint8Array; readonly parent: string; readonly stored: StoredSpec }> {
    const file = this.#path(fileNameOf(revision));
    const read = await this.disk.read(file, this.maxBytes + longestHead);
    if (read.kind === 'unreadable')
      throw new StoreTrouble(`${file}: expected ${read.expected}, found ${read.found}`);
    const decoded = decodeRevision(read.bytes, revision);
    if (typeof decoded === 'string')
      throw new StoreTrouble(
        `${file}: expected ${decoded}; where it is moved away, the newest one of the others counts`,
      );
    return { file: read.bytes, parent: decoded.parent, stored: { revision, bytes: decoded.bytes } };
  }

  async #tidy(names: readonly string[], newest: number): Promise<void> {
    for (const name of names) {
      const revision = revisionOf(name);
      if (revision !== undefined && revision < newest - keptRevisions)
        await this.disk.remove(this.#path(name));
      if (leftover.test(name) && ((await this.disk.ageMs(this.#path(name))) ?? 0) > leftoverAgeMs)
        await this.disk.remove(this.#path(name));
    }
  }
}

const newestOf = (names: readonly string[]): number =>
  Math.max(0, ...names.map((name) => revisionOf(name) ?? 0));
