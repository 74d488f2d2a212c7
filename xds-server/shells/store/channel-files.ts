/**
 * The certificate, key and CA with which the brain meets its nodes, followed while they change: each state of the three
 * that fits together is handed on, each that does not is reported, and whoever listens keeps the last good one. Two
 * files of one renewal are never written at the same moment, so a state in between is not an error until it lasts.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { Problem } from '../../pure/spec/problem.js';
import { checkCa, checkPair, type Findings } from './certificates.js';
import { FileWatch } from './file-watch.js';
import { readBounded } from './read-bounded.js';

export interface ChannelPaths {
  /** PEM, the brain's own certificate first. */
  readonly certificate: string;
  readonly key: string;
  /** Of nodes. */
  readonly clientCa: string;
}

/** PEM. */
export interface ChannelCredentials {
  readonly chain: Uint8Array;
  readonly key: Uint8Array;
  readonly clientCa: Uint8Array;
  /** Unix milliseconds: when the brain's own certificate ends. */
  readonly expiresMs: number;
}

export interface ChannelListener {
  onChange(credentials: ChannelCredentials, warnings: readonly Problem[]): void;
  /** Never empty. */
  onProblems(problems: readonly Problem[]): void;
}

const maxFileBytes = 1024 * 1024;
/** Longer than it takes to write the second file of a renewal. */
const patienceMs = 1000;
/** How often a certificate that nobody renews is looked at again. */
const lookMs = 60 * 60 * 1000;

type Reading =
  | { readonly kind: 'good'; readonly credentials: ChannelCredentials; readonly warnings: readonly Problem[] }
  | { readonly kind: 'bad'; readonly problems: readonly Problem[] };

export class ChannelFiles {
  readonly #paths: ChannelPaths;
  readonly #listener: ChannelListener;
  readonly #watch: FileWatch;
  readonly #timer: NodeJS.Timeout;
  #told = '';
  #patience: NodeJS.Timeout | undefined;
  #isReading = false;
  #again = false;
  #isClosed = false;

  private constructor(paths: ChannelPaths, listener: ChannelListener) {
    this.#paths = paths;
    this.#listener = listener;
    this.#watch = new FileWatch(() => void this.#look(true));
    this.#timer = setInterval(() => {
      // Its days may be counted by now.
      this.#told = '';
      void this.#look(true);
    }, lookMs);
    this.#timer.unref();
  }

  /** Resolves when the first reading has been told to `listener`, whatever it was. */
  static async open(paths: ChannelPaths, listener: ChannelListener): Promise<ChannelFiles> {
    const files = new ChannelFiles(paths, listener);
    await files.#look(false);
    return files;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#patience);
    this.#watch.close();
  }

  async #look(isPatient: boolean): Promise<void> {
    this.#again = true;
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (this.#again && !this.#isClosed) {
        this.#again = false;
        const { certificate, key, clientCa } = this.#paths;
        this.#watch.follow([certificate, key, clientCa].map((file) => resolve(file)));
        this.#tell(await read(this.#paths, new Date()), isPatient);
      }
    } finally {
      this.#isReading = false;
    }
  }

  #tell(reading: Reading, isPatient: boolean): void {
    if (this.#isClosed) return;
    const what = keyOf(reading);
    if (what === this.#told) {
      clearTimeout(this.#patience);
      return;
    }
    clearTimeout(this.#patience);
    if (reading.kind === 'bad' && isPatient) {
      this.#patience = setTimeout(() => void this.#look(false), patienceMs);
      return;
    }
    this.#told = what;
    if (reading.kind === 'good') this.#listener.onChange(reading.credentials, reading.warnings);
    else this.#listener.onProblems(reading.problems);
  }
}

function keyOf(reading: Reading): string {
  if (reading.kind === 'bad') return JSON.stringify(reading.problems);
  const { chain, key, clientCa } = reading.credentials;
  const hashes = [chain, key, clientCa].map((bytes) => createHash('sha256').update(bytes).digest('hex'));
  return hashes.join();
}

async function read(paths: ChannelPaths, now: Date): Promise<Reading> {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  const contents = async (path: string): Promise<Uint8Array | undefined> => {
    const reading = await readBounded(resolve(path), maxFileBytes);
    if (reading.kind === 'read') return reading.bytes;
    problems.push({ path, expected: reading.expected, found: reading.found });
    return undefined;
  };
  const note = (path: string, findings: Findings): void => {
    problems.push(...findings.problems.map((finding) => ({ path, ...finding })));
    warnings.push(...findings.warnings.map((finding) => ({ path, ...finding })));
  };
  const chain = await contents(paths.certificate);
  const key = await contents(paths.key);
  const clientCa = await contents(paths.clientCa);
  if (chain && key) note(paths.certificate, checkPair(chain, key, now));
  if (clientCa) note(paths.clientCa, checkCa(clientCa, now));
  if (!chain || !key || !clientCa || problems.length > 0) return { kind: 'bad', problems };
  const untaken = whyTlsRefuses(chain, key, clientCa);
  if (untaken !== undefined) {
    const expected = 'a certificate, key and CA that TLS takes';
    return { kind: 'bad', problems: [{ path: paths.certificate, expected, found: untaken }] };
  }
  const expiresMs = Date.parse(new X509Certificate(Buffer.from(chain)).validTo);
  return { kind: 'good', credentials: { chain, key, clientCa, expiresMs }, warnings };
}

/** OpenSSL has rules of its own beyond their belonging together: no key that is too short, no digest that is broken. */
function whyTlsRefuses(chain: Uint8Array, key: Uint8Array, clientCa: Uint8Array): string | undefined {
  try {
    createSecureContext({ cert: Buffer.from(chain), key: Buffer.from(key), ca: Buffer.from(clientCa) });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
