/**
 * The store in etcd: one key, changed by transactions that compare its revision. It is followed by a watch from the revision
 * that was read, and read again each few seconds all the same: a watch can stand still without a word, and after a
 * restore from a backup revisions start again from below.
 *
 *   read ──▶ tell ──▶ watch ──▶ changes: tell
 *    ▲ ▲                │
 *    │ ╰── each 5 s     ╰── compacted, lost ──▶ read
 *    ╰── failed: said once every member was asked, tried again
 */
import { setTimeout as pause } from 'node:timers/promises';
import {
  type SpecStore,
  type StoredSpec,
  type StoreListener,
  StoreTrouble,
  type Written,
} from '../../pure/store/spec-store.js';
import { EtcdClient, type EtcdOptions } from '../etcd/etcd-client.js';
import { EtcdError } from '../etcd/etcd-error.js';
import { type Entry, get, lastWrittenAt, put } from '../etcd/messages.js';
import { EtcdFollower } from './etcd-follower.js';

export interface EtcdStoreOptions extends EtcdOptions {
  /** For people. */
  readonly name: string;
  /** Before the names of all keys; `/sluice`. */
  readonly prefix: string;
  /** Unlike that of any other writer. */
  readonly writer: string;
}

const callMs = 2000;
/** A change is tried for so long while etcd does not answer. */
const writeWithinMs = 10_000;
const betweenTriesMs = 100;

export class EtcdStore implements SpecStore {
  readonly name: string;
  readonly #client: EtcdClient;
  readonly #members: number;
  readonly #key: string;
  /** Beside the spec: which write made it, so that a writer who got no answer can tell whether it was his. */
  readonly #writerKey: string;
  readonly #writer: string;
  #writes = 0;

  constructor({ name, prefix, writer, ...options }: EtcdStoreOptions) {
    this.name = name;
    this.#client = new EtcdClient(options);
    this.#members = options.endpoints.length;
    this.#key = `${prefix}/spec`;
    this.#writerKey = `${prefix}/spec-writer`;
    this.#writer = writer;
  }

  async read(): Promise<StoredSpec | undefined> {
    return storedIn((await readAnywhere(this.#client, this.#key, this.#members)).entry);
  }

  /** A key that nobody has written is all that an empty store is. */
  async absence(): Promise<undefined> {
    return undefined;
  }

  async write(spec: Uint8Array, expected: number): Promise<Written> {
    this.#writes += 1;
    const writer = Buffer.from(`${this.#writer}/${this.#writes}`);
    const untilMs = performance.now() + writeWithinMs;
    for (;;) {
      try {
        return await this.#tryToWrite(spec, writer, expected);
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        if (error.kind === 'refused') throw new StoreTrouble(`not written: ${error.message}`);
        if (performance.now() > untilMs)
          throw new StoreTrouble(
            `it is not known whether it was written, \`sluice diff\` tells once etcd answers: ${error.message}`,
          );
      }
      await pause(betweenTriesMs);
    }
  }

  /** Of the same transaction sent twice, one at most finds the revision that it compares. */
  async #tryToWrite(spec: Uint8Array, writer: Buffer, expected: number): Promise<Written> {
    const { succeeded, header, responses } = await this.#client.txn(
      {
        compare: [lastWrittenAt(this.#key, expected)],
        success: [put(this.#key, spec), put(this.#writerKey, writer)],
        failure: [get(this.#key), get(this.#writerKey)],
      },
      callMs,
    );
    if (succeeded) return { kind: 'written', revision: Number(header?.revision) };
    const [present, last] = (responses ?? []).map((response) => response.response_range?.kvs?.[0]);
    const found = Number(present?.mod_revision ?? 0);
    const isOurs =
      last?.value !== undefined && writer.equals(last.value) && Number(last.mod_revision) === found;
    return isOurs ? { kind: 'written', revision: found } : { kind: 'conflict', found };
  }

  async follow(listener: StoreListener): Promise<{ close(): void }> {
    const follower = new EtcdFollower({
      client: this.#client,
      key: this.#key,
      read: () => readAnywhere(this.#client, this.#key, this.#members),
      changed: (entry) => listener.changed(storedIn(entry)),
      trouble: (problem) => listener.trouble(problem),
    });
    await follower.begin();
    return follower;
  }

  close(): void {
    this.#client.close();
  }
}

/** Each member is asked once before it is said that none answers. @throws StoreTrouble */
async function readAnywhere(
  client: EtcdClient,
  key: string,
  members: number,
): Promise<{ readonly revision: number; readonly entry: Entry | undefined }> {
  for (let asked = 1; ; asked += 1) {
    try {
      return await client.read(key, callMs);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      if (asked >= members || error.kind === 'refused') throw new StoreTrouble(`etcd: ${error.message}`);
    }
  }
}

const storedIn = (entry: Entry | undefined): StoredSpec | undefined =>
  entry && { revision: entry.modRevision, bytes: entry.value };
