/**
 * The rows of a list that nobody owns, for the question which of them a slot may be given on a guess: the latest that it may
 * be. Each is given once. A node may take thousands of grants along, so no slot looks at each row: what was given is
 * stepped over, and many slots have the same suspects.
 */
import { accountsOf, isTooEarly, mayBe } from './claims.js';
import { groupedBy } from './grouped.js';
import type { Row, Slot } from './records.js';
import { firstAbove } from './sorted.js';

type Account = Row['account'];

export class FreeRows {
  readonly #shelves = new Map<Account, Shelf>();
  /** Those that were logging in when a slot should have been shown: by account, the latest last. */
  readonly #suspected = new Map<Slot['suspects'], Map<Account, Row[]>>();

  constructor(rows: Iterable<Row>) {
    const free = [...rows].filter((row) => !row.owner).sort((a, b) => a.seenStep - b.seenStep);
    for (const [account, there] of groupedBy(free, (row) => row.account))
      this.#shelves.set(account, new Shelf(there));
  }

  /** Of its service's own account rather than of another. */
  take(slot: Slot): Row | undefined {
    for (const account of accountsOf(slot) ?? [slot.service, ...this.#shelves.keys()]) {
      const shelf = this.#shelves.get(account);
      const row = shelf && (slot.suspects ? this.#latest(slot, account, shelf) : shelf.last());
      if (!row || isTooEarly(slot, row) || !mayBe(slot, row)) continue;
      shelf.take(row);
      return row;
    }
    return undefined;
  }

  /** One that was seen in time, or a suspect, whoever has come since. */
  #latest(slot: Slot, account: Account, shelf: Shelf): Row | undefined {
    const inTime = shelf.last(slot.latestStep);
    const suspects = this.#suspectsOf(slot).get(account) ?? [];
    for (let row = suspects.at(-1); row && !shelf.has(row); row = suspects.at(-1)) suspects.pop();
    const suspect = suspects.at(-1);
    if (!inTime || !suspect) return inTime ?? suspect;
    return shelf.isLater(suspect, inTime) ? suspect : inTime;
  }

  #suspectsOf({ suspects }: Slot): Map<Account, Row[]> {
    const known = this.#suspected.get(suspects);
    if (known) return known;
    const all = [...this.#shelves.values()].flatMap((shelf) => shelf.rows);
    const found = groupedBy(
      all.filter(({ serverId }) => suspects!.has(serverId)),
      (row) => row.account,
    );
    this.#suspected.set(suspects, found);
    return found;
  }
}

/** Rows of one account in the order in which they were first seen. */
class Shelf {
  readonly rows: readonly Row[];
  readonly #steps: readonly number[];
  readonly #at: ReadonlyMap<Row, number>;
  /** By one more than a row's index: itself while it is here, or one before it that may be. 0: there is none. */
  readonly #here: number[];

  constructor(rows: readonly Row[]) {
    this.rows = rows;
    this.#steps = rows.map(({ seenStep }) => seenStep);
    this.#at = new Map(rows.map((row, i) => [row, i + 1]));
    this.#here = Array.from({ length: rows.length + 1 }, (_, i) => i);
  }

  /** The latest that is still here, of those that were seen until then. */
  last(untilStep = Number.POSITIVE_INFINITY): Row | undefined {
    return this.rows[this.#upTo(firstAbove(this.#steps, untilStep)) - 1];
  }

  has(row: Row): boolean {
    const at = this.#at.get(row)!;
    return this.#here[at] === at;
  }

  isLater(one: Row, other: Row): boolean {
    return this.#at.get(one)! > this.#at.get(other)!;
  }

  take(row: Row): void {
    const at = this.#at.get(row)!;
    this.#here[at] = at - 1;
  }

  /** The way that was gone is made short for the next one. */
  #upTo(at: number): number {
    let last = at;
    while (this.#here[last] !== last) last = this.#here[last]!;
    for (let i = at; i !== last; ) {
      const next = this.#here[i]!;
      this.#here[i] = last;
      i = next;
    }
    return last;
  }
}
