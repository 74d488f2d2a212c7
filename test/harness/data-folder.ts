/**
 * Fresh data folders for database servers. Initialising one takes seconds, copying one a tenth of that: the first
 * test to need a server makes the original below build/, the others copy it.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Certificate } from './certificates.js';
import { isRoot } from './child.js';

const run = promisify(execFile);
const originals = path.resolve(import.meta.dirname, '../../build/data-folders');

/**
 * Makes `folder` a copy of the original called `name`, owned by `user` when this process is root.
 *
 * @param initialise fills the empty folder it is given, which belongs to `user`.
 */
export async function copyDataFolder(
  name: string,
  user: string,
  folder: string,
  initialise: (empty: string) => Promise<void>,
): Promise<void> {
  const original = path.join(originals, name);
  if (!existsSync(original)) {
    // Made next to the copy: the system user may not be allowed into the project's own folder.
    const making = mkdtempSync(`${folder}-original-`);
    if (isRoot) await run('chown', [user, making]);
    await initialise(making);
    mkdirSync(originals, { recursive: true });
    const arriving = mkdtempSync(`${original}-`);
    await run('cp', ['-a', `${making}/.`, arriving]);
    rmSync(making, { recursive: true, force: true });
    publish(arriving, original);
  }
  await run('cp', ['-a', '--reflink=auto', original, folder]);
}

/** Two test files may have made the same original at once: the first one stays. */
function publish(arriving: string, original: string): void {
  try {
    renameSync(arriving, original);
  } catch (error) {
    if (!existsSync(original)) throw error;
    rmSync(arriving, { recursive: true, force: true });
  }
}

/** Runs a server's own program to its end as the system user it is meant for. */
export async function runAs(user: string, command: string, args: readonly string[]): Promise<void> {
  if (isRoot) await run('runuser', ['-u', user, '--', command, ...args], { cwd: '/' });
  else await run(command, args, { cwd: '/' });
}

/** Copies a certificate into a server's folder, with the key as servers demand it: theirs, and nobody else's to read. */
export async function giveCertificate(
  { chain, key }: Certificate,
  user: string,
  folder: string,
): Promise<Certificate> {
  const given = { chain: path.join(folder, 'server.pem'), key: path.join(folder, 'server-key.pem') };
  const owner = isRoot ? ['--owner', user] : [];
  await run('install', [...owner, '--mode=644', chain, given.chain]);
  await run('install', [...owner, '--mode=600', key, given.key]);
  return given;
}
