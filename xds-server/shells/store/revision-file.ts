/**
 * The form of one revision in the embedded store: a first line that says what follows, and the text as it was applied.
 * The line is a comment of YAML, so that the file is a spec that can be read, checked and applied like any other.
 */
import { createHash } from 'node:crypto';

const digits = 12;
const form =
  /^# sluice revision (\d{1,12}) after (\d{1,12}|[0-9a-f]{64}), (\d{1,9}) bytes, sha256 ([0-9a-f]{64})\n/;
export const longestHead = 256;

export interface Revision {
  readonly revision: number;
  /** SHA-256 of the file of the revision that this one changed; 0: there was none. */
  readonly parent: string;
  readonly bytes: Uint8Array;
}

export const fileNameOf = (revision: number): string => `${String(revision).padStart(digits, '0')}.yaml`;

/** undefined: no name of a revision's file. */
export function revisionOf(fileName: string): number | undefined {
  const [, number] = /^(\d{12})\.yaml$/.exec(fileName) ?? [];
  return number === undefined || Number(number) === 0 ? undefined : Number(number);
}

export function encodeRevision({ revision, parent, bytes: body }: Revision): Buffer {
  const head = `# sluice revision ${revision} after ${parent}, ${body.length} bytes, sha256 `;
  return Buffer.concat([Buffer.from(`${head}${sumOf(head, body)}\n`), body]);
}

/** @returns a text that completes "expected …" when they are not what this revision's file must hold */
export function decodeRevision(bytes: Uint8Array, revision: number): Revision | string {
  const head = Buffer.from(bytes.subarray(0, longestHead)).toString('latin1');
  const [line, number, parent, length, sum] = form.exec(head) ?? [];
  if (line === undefined) return 'a file that `sluice apply` wrote, found another';
  if (Number(number) !== revision) return `revision ${revision}, found ${number}`;
  const body = bytes.subarray(line.length);
  if (body.length !== Number(length)) return `${length} bytes of spec, found ${body.length}`;
  if (sumOf(line.slice(0, -65), body) !== sum) return 'what its checksum says, found something else';
  return { revision, parent: parent!, bytes: body };
}

export const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const sumOf = (head: string, body: Uint8Array): string =>
  createHash('sha256').update(head).update('\n').update(body).digest('hex');
