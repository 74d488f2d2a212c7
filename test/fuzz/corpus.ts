/**
 * The kept corpora: one text file a target, one input a line, in hex. The fuzzer wants a folder of files instead; here the
 * one is made of the other.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** More would make the replay in the tests slow and a review hopeless. */
const maxEntries = 300;
const maxEntryBytes = 1_024;

/** The inputs that are kept in `file`; none where there is no file yet. */
export function kept(file: string): Buffer[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Buffer.from(line, 'hex'));
}

/** Writes `inputs` into `folder`, beside what is there. */
export function unpack(inputs: readonly Buffer[], folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const input of inputs) {
    writeFileSync(path.join(folder, createHash('sha1').update(input).digest('hex')), input);
  }
}

/** Makes the inputs of `folder` the kept ones: the shortest first, within the bounds. */
export function keep(folder: string, file: string): void {
  const inputs = readdirSync(folder)
    .map((name) => readFileSync(path.join(folder, name)))
    .filter((input) => input.length > 0 && input.length <= maxEntryBytes)
    .sort((a, b) => a.length - b.length || a.compare(b))
    .slice(0, maxEntries);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, inputs.map((input) => `${input.toString('hex')}\n`).join(''));
}

/** An empty folder at `folder`. */
export function emptied(folder: string): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}
