/**
 * The spec of a store, followed: its text and the files that it names, which are of this machine. What the store says is
 * kept here, so that a store that is lost leaves everything as it is.
 */
import type { SpecStore, StoredSpec } from '../../pure/store/spec-store.js';
import { FollowedSpec, type SpecListener } from './followed-spec.js';
import type { Origin, Surroundings } from './load-spec.js';

export interface StoreState {
  /** The newest revision, taken or not; undefined: not known yet. 0: the store is empty. */
  readonly revision: number | undefined;
  /** Why the store can't be followed just now; undefined: it can. */
  readonly problem: string | undefined;
}

export interface FollowedStoreListener extends SpecListener {
  onStore(state: StoreState): void;
}

export class FollowedStore {
  readonly #store: SpecStore;
  #state: StoreState = { revision: undefined, problem: undefined };
  #stored: StoredSpec | undefined;
  #following: { close(): void } | undefined;
  #spec: FollowedSpec | undefined;
  /** The store has said something while the first reading was under way. */
  #isNews = false;

  private constructor(store: SpecStore) {
    this.#store = store;
  }

  /**
   * Resolves when the store has been asked once, whatever it said.
   *
   * @param folder where the relative names of files begin
   */
  static async open(
    store: SpecStore,
    folder: string,
    listener: FollowedStoreListener,
    env: Surroundings['env'] = process.env,
  ): Promise<FollowedStore> {
    const followed = new FollowedStore(store);
    await followed.#follow(listener);
    followed.#isNews = false;
    followed.#spec = await FollowedSpec.open(followed.#origin(folder), listener, env);
    if (followed.#isNews) await followed.#spec.look();
    return followed;
  }

  close(): void {
    this.#following?.close();
    this.#spec?.close();
    this.#store.close();
  }

  async #follow(listener: FollowedStoreListener): Promise<void> {
    const now = (state: Partial<StoreState>): void => {
      this.#state = { ...this.#state, ...state };
      listener.onStore(this.#state);
      this.#isNews = true;
      void this.#spec?.look();
    };
    this.#following = await this.#store.follow({
      changed: (stored) => {
        this.#stored = stored;
        now({ revision: stored?.revision ?? 0 });
      },
      trouble: (problem) => now({ problem }),
    });
  }

  #origin(folder: string): Origin {
    return {
      folder,
      files: [],
      text: async () => {
        const { revision, bytes } = this.#stored ?? {};
        if (bytes) return { kind: 'read', bytes, revision };
        const { problem } = this.#state;
        return problem === undefined
          ? { kind: 'unreadable', expected: 'a spec in the store (`sluice apply`)', found: 'none' }
          : { kind: 'unreadable', expected: 'a store that can be read', found: problem };
      },
    };
  }
}
