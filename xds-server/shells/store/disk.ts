/** What the embedded store asks of a file system: few calls, so that a test can fail each of them at any byte. */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, stat, unlink } from 'node:fs/promises';
import path from 'node:path';
import { type Reading, readBounded } from './read-bounded.js';

export interface Disk {
  /** Names in the folder. @throws ENOENT */
  names(folder: string): Promise<readonly string[]>;
  read(file: string, maxBytes: number): Promise<Reading>;
  /** A new file with this content, which a loss of power does not take away any more (its name may go). */
  writeDurably(file: string, bytes: Uint8Array): Promise<void>;
  /** Another name for a file, in one step. False: the name is taken. */
  link(file: string, name: string): Promise<boolean>;
  remove(file: string): Promise<void>;
  /** From now on a loss of power keeps the names that are in the folder. */
  syncFolder(folder: string): Promise<void>;
  /** With those above it that are not there, durably. */
  makeFolder(folder: string): Promise<void>;
  /** Milliseconds since it was last written; undefined: it is not there. */
  ageMs(file: string): Promise<number | undefined>;
  /** Unlike any other. */
  uniqueName(): string;
}

export const realDisk: Disk = {
  names: (folder) => readdir(folder),
  read: readBounded,
  async writeDurably(file, bytes) {
    const handle = await open(file, 'wx', 0o644);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  async link(file, name) {
    try {
      await link(file, name);
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    }
  },
  async remove(file) {
    try {
      await unlink(file);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  },
  async syncFolder(folder) {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  async makeFolder(folder) {
    const first = await mkdir(folder, { recursive: true });
    if (first === undefined) return;
    for (let at = path.resolve(folder); at.length >= first.length; at = path.dirname(at))
      await this.syncFolder(path.dirname(at));
  },
  async ageMs(file) {
    const found = await stat(file).catch(() => undefined);
    return found && Date.now() - found.mtimeMs;
  },
  uniqueName: () => `${process.pid}-${randomBytes(8).toString('hex')}`,
};

export const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;
