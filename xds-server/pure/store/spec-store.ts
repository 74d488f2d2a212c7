/**
 * Where the spec lives when several people, or several brains, share it: its text at a revision. Whoever changes it says
 * which revision he changes; when somebody was faster, nothing changes and he is told.
 *
 *   revision 0 (nothing) ──write(spec, 0)──▶ 1 ──write(spec, 1)──▶ 2 ──▶ …     numbers grow, and may leave some out
 */

export interface StoredSpec {
  /** Above 0. */
  readonly revision: number;
  /** The spec as it was applied. */
  readonly bytes: Uint8Array;
}

export type Written =
  | { readonly kind: 'written'; readonly revision: number }
  /** Nothing has changed: the store is at this revision; 0: it is empty. */
  | { readonly kind: 'conflict'; readonly found: number };

export interface StoreListener {
  /** What the store holds now; undefined: nothing. Of changes that follow each other fast only the last may be told. */
  changed(stored: StoredSpec | undefined): void;
  /**
   * The store can't be read, or what it holds is not to be trusted, and why; the last that was told stays. undefined: all
   * is well again. Told when it changes.
   */
  trouble(problem: string | undefined): void;
}

export interface SpecStore {
  /** For people: `dir:/var/lib/sluice`. */
  readonly name: string;
  /** @throws StoreTrouble */
  read(): Promise<StoredSpec | undefined>;
  /**
   * Why there is no store yet that could be empty, in words for the operator: whoever only reads has named another than he
   * means; who writes makes it. undefined: there is one, or nothing has to be made.
   *
   * @throws StoreTrouble
   */
  absence(): Promise<string | undefined>;
  /**
   * Once this says `written`, no crash of anybody undoes it.
   *
   * @param expected the revision that is changed; 0: the store is empty
   * @throws StoreTrouble when it is not known whether it was written, or surely was not: the message says which
   */
  write(bytes: Uint8Array, expected: number): Promise<Written>;
  /** Resolves when the store has been looked at once, or could not be. */
  follow(listener: StoreListener): Promise<{ close(): void }>;
  close(): void;
}

/** In words for the operator. */
export class StoreTrouble extends Error {
  override readonly name = 'StoreTrouble';
}
