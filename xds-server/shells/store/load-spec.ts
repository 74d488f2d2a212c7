/**
 * One reading of a spec, from its file or from a store, and of every file that it names. Decides whether all of it
 * together may be taken; when to read is FollowedSpec's business.
 */
import { dirname, resolve } from 'node:path';
import { parseSpec } from '../../pure/spec/parse-spec.js';
import { plaintextWarnings } from '../../pure/spec/plaintext-databases.js';
import type { Problem } from '../../pure/spec/problem.js';
import { type ReferencedFile, referencedFiles } from '../../pure/spec/referenced-files.js';
import type { Spec } from '../../pure/spec/spec.js';
import { checkCa, checkPair, type Findings } from './certificates.js';
import { coverageWarnings } from './coverage-warnings.js';
import { type Reading as FileReading, readBounded } from './read-bounded.js';
import { Secret } from './secret.js';

/** A spec that may be taken, with what its files held at that moment. */
export interface LoadedSpec {
  readonly spec: Spec;
  /** Certificates, keys and CAs by path as written in the spec. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Observers' passwords by database. */
  readonly passwords: ReadonlyMap<string, Secret>;
  /** Certificates that expire soon and the like: to be told, not to be refused. */
  readonly warnings: readonly Problem[];
  /** When the first certificate of each file ends, by the place in the spec that names it: `listeners.pg.tls.certificate`. */
  readonly expiriesMs: ReadonlyMap<string, number>;
}

/** Where the text of a spec comes from. */
export interface Origin {
  /** Where the names of files in it begin; absolute. */
  readonly folder: string;
  /** Absolute paths of files that hold the text; none where it is in a store. */
  readonly files: readonly string[];
  text(): Promise<FileReading & { readonly revision?: number | undefined }>;
}

export type Reading = {
  /** Absolute paths that this reading depends on: the spec's and, as far as it could be parsed, what it names. */
  readonly dependsOn: readonly string[];
  /** Of the store. */
  readonly revision: number | undefined;
} & (
  | { readonly kind: 'loaded'; readonly loaded: LoadedSpec; readonly text: string }
  | {
      readonly kind: 'problems';
      readonly problems: readonly Problem[];
      /** One of them is that the system failed to read a file, and may be gone without any change. */
      readonly mayPass: boolean;
    }
);

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: Date;
}

export const maxSpecBytes = 4 * 1024 * 1024;
const maxFileBytes = 1024 * 1024;
const maxPasswordBytes = 1024;
/** Files open at once. */
const readers = 32;

export function inFile(file: string): Origin {
  const path = resolve(file);
  return { folder: dirname(path), files: [path], text: () => readBounded(path, maxSpecBytes) };
}

/** Never throws for what the operator may have done wrong. */
export async function loadSpec(origin: Origin, around: Surroundings): Promise<Reading> {
  const read = await origin.text();
  const { revision } = read;
  const parsed = parseRead(read, origin.files[0]);
  if (!parsed.ok) {
    const mayPass = read.kind === 'unreadable' && read.mayPass === true;
    return { kind: 'problems', dependsOn: origin.files, revision, problems: parsed.problems, mayPass };
  }

  const named = referencedFiles(parsed.spec);
  const absolute = new Map(named.map((one) => [one.path, resolve(origin.folder, one.path)]));
  const problems: Problem[] = [];
  const { contents, mayPass } = await readAll(named, absolute, problems);
  const passwords = readPasswords(parsed.spec, contents, around.env, problems);
  const warnings: Problem[] = [...plaintextWarnings(parsed.spec)];
  const expiriesMs = checkCertificates(parsed.spec, contents, around.now, problems, warnings);
  const dependsOn = [...origin.files, ...absolute.values()];
  if (problems.length > 0) return { kind: 'problems', dependsOn, revision, problems, mayPass };

  const secretPaths = new Set(passwordFiles(parsed.spec));
  const files = new Map([...contents].filter(([name]) => !secretPaths.has(name)));
  const loaded = { spec: parsed.spec, files, passwords, warnings, expiriesMs };
  return { kind: 'loaded', dependsOn, revision, text: parsed.text, loaded };
}

export type ParsedText =
  | { readonly ok: true; readonly spec: Spec; readonly text: string }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** The spec alone: what it names need not be there. */
export async function parseOnly(origin: Origin): Promise<ParsedText> {
  return parseRead(await origin.text(), origin.files[0]);
}

/** @param file absolute path; absent where the text is in a store */
export function parseRead(read: FileReading, file?: string): ParsedText {
  const hint = file === undefined ? {} : { hint: `the file is ${file}` };
  const wrong = (expected: string, found: string): ParsedText => ({
    ok: false,
    problems: [{ path: '', expected, found, ...hint }],
  });
  if (read.kind === 'unreadable') return wrong(read.expected, read.found);
  if (read.bytes.length > maxSpecBytes)
    return wrong(`at most ${maxSpecBytes} bytes`, `${read.bytes.length} bytes`);
  const text = decode(read.bytes);
  if (text === undefined) return wrong('UTF-8 text', 'other bytes');
  const parsed = parseSpec(text);
  return parsed.ok ? { ...parsed, text } : parsed;
}

async function readAll(
  named: readonly ReferencedFile[],
  absolute: ReadonlyMap<string, string>,
  problems: Problem[],
): Promise<{ readonly contents: ReadonlyMap<string, Uint8Array>; readonly mayPass: boolean }> {
  const contents = new Map<string, Uint8Array>();
  const failed = new Map<string, Extract<FileReading, { kind: 'unreadable' }>>();
  const paths = [...absolute];
  const reader = async (): Promise<void> => {
    for (let next = paths.pop(); next; next = paths.pop()) {
      const [name, path] = next;
      const read = await readBounded(path, maxFileBytes);
      if (read.kind === 'read') contents.set(name, read.bytes);
      else failed.set(name, read);
    }
  };
  await Promise.all(Array.from({ length: readers }, reader));
  for (const { path, why } of named) {
    const failure = failed.get(path);
    if (failure)
      problems.push({
        path: why,
        expected: failure.expected,
        found: failure.found,
        hint: `the file is ${absolute.get(path)}`,
      });
  }
  return { contents, mayPass: [...failed.values()].some(({ mayPass }) => mayPass) };
}

function readPasswords(
  spec: Spec,
  contents: ReadonlyMap<string, Uint8Array>,
  env: Surroundings['env'],
  problems: Problem[],
): Map<string, Secret> {
  const passwords = new Map<string, Secret>();
  for (const [database, { observer }] of Object.entries(spec.databases)) {
    const source = observer.password;
    const path = `databases.${database}.observer.password`;
    let value: string | undefined;
    if ('env' in source) {
      value = env[source.env];
      if (value === undefined)
        problems.push({
          path: `${path}.env`,
          expected: `the environment variable ${source.env}`,
          found: 'none',
        });
    } else {
      const bytes = contents.get(source.file);
      if (!bytes) continue; // already a problem
      value = decode(bytes)?.replace(/\r?\n$/, '') ?? '';
    }
    if (value === undefined) continue;
    const lines = value.split(/\r?\n/).length;
    if (/^[^\0\r\n]+$/.test(value) && Buffer.byteLength(value) <= maxPasswordBytes)
      passwords.set(database, new Secret(value));
    else
      problems.push({
        path,
        expected: `one line of 1 to ${maxPasswordBytes} bytes, UTF-8`,
        found: value === '' ? 'nothing' : lines > 1 ? `${lines} lines` : 'something else',
        ...('file' in source && { hint: `the file is ${source.file}` }),
      });
  }
  return passwords;
}

function passwordFiles(spec: Spec): string[] {
  return Object.values(spec.databases).flatMap(({ observer: { password } }) =>
    'file' in password ? [password.file] : [],
  );
}

/** @returns when the first certificate of each file ends, by the place that names it */
function checkCertificates(
  spec: Spec,
  contents: ReadonlyMap<string, Uint8Array>,
  now: Date,
  problems: Problem[],
  warnings: Problem[],
): Map<string, number> {
  const expiriesMs = new Map<string, number>();
  const add = (path: string, findings: Findings, hint: string): void => {
    if (findings.expiresMs !== undefined) expiriesMs.set(path, findings.expiresMs);
    problems.push(...findings.problems.map((finding) => ({ path, ...finding, hint })));
    warnings.push(...findings.warnings.map((finding) => ({ path, ...finding, hint })));
  };
  const pair = (path: string, { chain, key }: { chain: string; key: string }): void => {
    const bytes = [contents.get(chain), contents.get(key)] as const;
    if (bytes[0] && bytes[1])
      add(path, checkPair(bytes[0], bytes[1], now), `the files are ${chain} and ${key}`);
  };
  for (const [name, { tls }] of Object.entries(spec.listeners)) {
    pair(`listeners.${name}.tls.certificate`, tls.certificate);
    const ca = tls.client_ca === undefined ? undefined : contents.get(tls.client_ca);
    if (ca) add(`listeners.${name}.tls.client_ca`, checkCa(ca, now), `the file is ${tls.client_ca}`);
  }
  for (const [name, { tls }] of Object.entries(spec.databases)) {
    const ca = tls?.ca === undefined ? undefined : contents.get(tls.ca);
    if (ca) add(`databases.${name}.tls.ca`, checkCa(ca, now), `the file is ${tls?.ca}`);
  }
  for (const [name, { certificate }] of Object.entries(spec.services))
    if (certificate) pair(`services.${name}.certificate`, certificate);
  warnings.push(...coverageWarnings(spec, contents));
  return expiriesMs;
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
