/**
 * Notices that files may have changed, however they are written: in place, renamed over, or by swapping a symbolic
 * link on the way to them (Kubernetes ConfigMaps). It watches the folders in which such a change would show and
 * says only "look again"; whether anything is different is for the reader to find out.
 */
import { type BigIntStats, type FSWatcher, lstatSync, readlinkSync, watch } from 'node:fs';
import { join, parse, resolve, sep } from 'node:path';

/** Long enough for the writes of one save to be over, short enough for 200 ms to be kept with room. */
const quietMs = 25;
/** A file that is written to all the time is looked at all the same. */
const longestMs = 100;
/** Where the kernel tells nothing (network file systems), a glance each second at some of the files, in turn. */
const glanceMs = 1000;
const filesAGlance = 64;
/** As many links as Linux follows. */
const maxLinks = 40;

export class FileWatch {
  readonly #changed: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #files: readonly string[] = [];
  /** What each file was when it was last followed. */
  #seen = new Map<string, string>();
  #nextGlance = 0;
  #quiet: NodeJS.Timeout | undefined;
  #firstAt = 0;
  readonly #glance: NodeJS.Timeout;

  /** @param changed called some 25 ms after the last sign of a change. */
  constructor(changed: () => void) {
    this.#changed = changed;
    this.#glance = setInterval(() => this.#glanceAt(), glanceMs);
  }

  /** Watches exactly these files from now on; absolute paths, which need not exist. */
  follow(files: readonly string[]): void {
    this.#files = files;
    const look = lookOnce();
    this.#seen = new Map(files.map((file) => [file, stateOf(file, look)]));
    const wanted = new Map<string, string>();
    for (const file of files)
      for (const folder of placesOnTheWay(file, look).folders) wanted.set(identity(folder, look), folder);
    for (const [id, watcher] of this.#watchers) {
      if (wanted.delete(id)) continue;
      watcher.close();
      this.#watchers.delete(id);
    }
    for (const [id, folder] of wanted) this.#watchFolder(id, folder);
  }

  close(): void {
    clearInterval(this.#glance);
    clearTimeout(this.#quiet);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #watchFolder(id: string, folder: string): void {
    try {
      const watcher = watch(folder, () => this.#stirred());
      // The folder went: what takes its place has another identity and is found by the next look.
      watcher.on('error', () => {
        watcher.close();
        this.#watchers.delete(id);
        this.#stirred();
      });
      this.#watchers.set(id, watcher);
    } catch {
      // Gone between finding and watching, or no watches left in the kernel: the glance remains.
    }
  }

  #stirred(): void {
    const now = performance.now();
    if (this.#quiet === undefined) this.#firstAt = now;
    clearTimeout(this.#quiet);
    const left = Math.max(0, this.#firstAt + longestMs - now);
    this.#quiet = setTimeout(
      () => {
        this.#quiet = undefined;
        this.#changed();
      },
      Math.min(quietMs, left),
    );
  }

  #glanceAt(): void {
    if (this.#quiet !== undefined) return;
    const from = this.#nextGlance < this.#files.length ? this.#nextGlance : 0;
    this.#nextGlance = from + filesAGlance;
    const look = lookOnce();
    const changed = (file: string): boolean => stateOf(file, look) !== this.#seen.get(file);
    if (this.#files.slice(from, this.#nextGlance).some(changed)) this.#stirred();
  }
}

type Look = (path: string) => BigIntStats | undefined;

/** Asks the file system once for each path: files of one spec mostly share their folders. */
function lookOnce(): Look {
  const seen = new Map<string, BigIntStats | undefined>();
  return (path) => {
    if (!seen.has(path)) seen.set(path, lookAt(path));
    return seen.get(path);
  };
}

function lookAt(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false, bigint: true });
  } catch {
    return undefined; // not ours to see
  }
}

function stateOf(file: string, look: Look): string {
  return [...placesOnTheWay(file, look).passed].map((place) => identity(place, look)).join('\n');
}

/**
 * What is passed on the way to a file, links and the file, and the folders whose entries decide what the path
 * means: that of each link and that of the file or, where the way ends early, the last folder there is.
 */
function placesOnTheWay(file: string, look: Look): { readonly passed: string[]; readonly folders: string[] } {
  const passed: string[] = [];
  const folders: string[] = [];
  let links = 0;
  let base = parse(file).root;
  let ahead = namesOf(file);
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    const here = join(base, name);
    const found = look(here);
    if (found?.isDirectory()) {
      base = here;
      continue;
    }
    passed.push(here);
    folders.push(base);
    const pointsTo = found?.isSymbolicLink() ? readLink(here) : undefined;
    links += 1;
    if (pointsTo === undefined || links > maxLinks) break;
    const target = resolve(base, pointsTo);
    ahead = [...namesOf(target), ...ahead];
    base = parse(target).root;
  }
  return { passed, folders };
}

const namesOf = (path: string): string[] => path.split(sep).filter((name) => name !== '');

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // gone since it was looked at; its folder is watched
  }
}

/** Changes with every write, replacement, appearance or disappearance of what is at the path itself. */
function identity(path: string, look: Look): string {
  const found = look(path);
  if (!found) return `${path} is not there`;
  if (found.isDirectory()) return `${path} ${found.dev} ${found.ino}`;
  return `${path} ${found.dev} ${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`;
}
