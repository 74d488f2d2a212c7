/** Reads a file that an operator named: regular, of bounded size, and whole as it was at one moment. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

export type Reading =
  | { readonly kind: 'read'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'unreadable';
      readonly expected: string;
      readonly found: string;
      /** It is the system that failed, not the file that is another one than it should be: it may be read in a moment. */
      readonly mayPass?: true;
    };

/** Errors that stand until somebody changes what the path leads to. Others (EMFILE, EIO, ESTALE, …) come and go by themselves. */
const standing: ReadonlySet<unknown> = new Set(
  'ENOENT ENOTDIR ELOOP ENAMETOOLONG ENXIO EACCES EPERM'.split(' '),
);

const unreadable = (expected: string, found: string): Reading => ({ kind: 'unreadable', expected, found });

export async function readBounded(path: string, maxBytes: number): Promise<Reading> {
  let file: FileHandle;
  try {
    // Not blocking: a named pipe must not hold the reader until somebody writes to it.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return failed(error);
  }
  try {
    const before = await file.stat({ bigint: true });
    if (!before.isFile())
      return unreadable('a regular file', before.isDirectory() ? 'a folder' : 'something else');
    if (before.size > maxBytes) return unreadable(`at most ${maxBytes} bytes`, `${before.size} bytes`);
    const room = Buffer.alloc(Number(before.size) + 1);
    const { bytesRead } = await file.read(room, 0, room.length, 0);
    const after = await file.stat({ bigint: true });
    if (bytesRead !== Number(before.size) || before.mtimeNs !== after.mtimeNs || before.size !== after.size)
      return unreadable('a file that holds still', 'one that was written to while it was read');
    return { kind: 'read', bytes: room.subarray(0, bytesRead) };
  } catch (error) {
    return failed(error);
  } finally {
    await file.close();
  }
}

function failed(error: unknown): Reading {
  const isStanding = standing.has((error as NodeJS.ErrnoException).code);
  const failure = { kind: 'unreadable', expected: 'a readable file', found: whyNot(error) } as const;
  return isStanding ? failure : { ...failure, mayPass: true };
}

function whyNot(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'none';
  if (code === 'EACCES' || code === 'EPERM') return 'one that may not be read by this user';
  return `error ${code ?? 'unknown'}`;
}
