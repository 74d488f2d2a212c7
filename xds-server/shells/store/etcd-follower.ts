/** Follows one key of etcd, whatever happens to watches, members and history (see etcd-store.ts). */
import type { EtcdClient } from '../etcd/etcd-client.js';
import type { Entry } from '../etcd/messages.js';
import type { Watch } from '../etcd/watch.js';

export interface FollowerOptions {
  readonly client: EtcdClient;
  readonly key: string;
  /** @throws in words for the operator */
  read(): Promise<{ readonly revision: number; readonly entry: Entry | undefined }>;
  /** First what there is, then whatever is different. */
  changed(entry: Entry | undefined): void;
  /** undefined: etcd answers again. */
  trouble(problem: string | undefined): void;
}

/** How long a stalled watch, or a restored backup, stays unnoticed. */
const readAgainMs = 5000;
/** After a failure. */
const tryAgainMs = 500;

export class EtcdFollower {
  readonly #options: FollowerOptions;
  #watch: Watch | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Of the key as it was last told; 0: it was not there; undefined: nothing is told yet. */
  #told: number | undefined;
  #problem: string | undefined;
  /** How often the watch has told something. */
  #changes = 0;
  #isReading = false;
  #isClosed = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** Resolves after the first try. */
  async begin(): Promise<void> {
    await this.#look();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#watch?.close();
  }

  async #look(): Promise<void> {
    if (this.#isReading || this.#isClosed) return;
    this.#isReading = true;
    clearTimeout(this.#timer);
    const changesBefore = this.#changes;
    const answer = await this.#options.read().catch((error: Error) => error.message);
    this.#isReading = false;
    if (this.#isClosed) return;
    const failed = typeof answer === 'string';
    this.#tellTrouble(failed ? answer : undefined);
    // What the watch has told meanwhile is at least as new.
    if (!failed && this.#changes === changesBefore) this.#take(answer);
    this.#lookIn(failed || !this.#watch ? tryAgainMs : readAgainMs);
  }

  #lookIn(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#look(), ms);
  }

  #take({ revision, entry }: { readonly revision: number; readonly entry: Entry | undefined }): void {
    const isNew = this.#told !== (entry?.modRevision ?? 0);
    if (isNew) {
      // One that had nothing to say of it is not to be relied on.
      this.#watch?.close();
      this.#watch = undefined;
      this.#tell(entry);
    }
    if (!this.#watch && !this.#isClosed) this.#begin(revision + 1);
  }

  #begin(fromRevision: number): void {
    try {
      this.#watch = this.#options.client.watch(this.#options.key, fromRevision, {
        changed: ({ entry }) => {
          this.#changes += 1;
          this.#tell(entry);
        },
        ended: () => {
          this.#watch = undefined;
          // Never at once: a member that ends each watch would be asked without a pause.
          this.#lookIn(tryAgainMs);
        },
      });
    } catch {
      // Credentials that can't be read just now: the next look says so.
    }
  }

  #tell(entry: Entry | undefined): void {
    this.#told = entry?.modRevision ?? 0;
    this.#options.changed(entry);
  }

  #tellTrouble(problem: string | undefined): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#options.trouble(problem);
  }
}
