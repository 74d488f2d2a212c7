/**
 * The rows of a list that are not surely somebody's, for the question whether one of them may be a slot's. A node may take
 * thousands of grants along, at a server with thousands of sessions: no slot is compared with each row.
 */
import { accountsOf, isUncertain, mayBe } from './claims.js';
import type { Row, Slot } from './records.js';
import { firstAbove } from './sorted.js';

export class UncertainRows {
  readonly #rows: readonly Row[];
  /** In which steps they were first seen: by account, in order. */
  readonly #seen = new Map<Row['account'], number[]>();
  /** Those that were logging in when a slot should have been shown: many slots have the same suspects. */
  readonly #suspected = new Map<Slot['suspects'], readonly Row[]>();

  constructor(rows: Iterable<Row>, marginMs: number) {
    this.#rows = [...rows].filter((row) => isUncertain(row, marginMs));
    for (const { account, seenStep } of this.#rows) {
      const steps = this.#seen.get(account);
      if (steps) steps.push(seenStep);
      else this.#seen.set(account, [seenStep]);
    }
    for (const steps of this.#seen.values()) steps.sort((a, b) => a - b);
  }

  /** `mayBe` for any of them. */
  haveOneFor(slot: Slot): boolean {
    for (const account of accountsOf(slot) ?? this.#seen.keys()) {
      const steps = this.#seen.get(account) ?? [];
      const next = steps[firstAbove(steps, slot.earliestStep)];
      if (next !== undefined && next <= slot.latestStep) return true;
    }
    return this.#among(slot.suspects).some((row) => mayBe(slot, row));
  }

  /** Of how many of them `mayBe` is true for some of the slots; or of more. */
  mostFor(slots: readonly Slot[]): number {
    let [earliestStep, latestStep] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const slot of slots) {
      earliestStep = Math.min(earliestStep, slot.earliestStep);
      latestStep = Math.max(latestStep, slot.latestStep);
    }
    const all = slots.map(accountsOf);
    const accounts = all.includes(undefined) ? undefined : new Set(all.flatMap((of) => of ?? []));
    let inTime = 0;
    for (const account of accounts ?? this.#seen.keys()) {
      const steps = this.#seen.get(account) ?? [];
      inTime += Math.max(0, firstAbove(steps, latestStep) - firstAbove(steps, earliestStep));
    }
    const late = new Set<Row>();
    for (const suspects of new Set(slots.map((slot) => slot.suspects)))
      for (const row of this.#among(suspects))
        if (row.seenStep > Math.max(earliestStep, latestStep) && (accounts?.has(row.account) ?? true))
          late.add(row);
    return inTime + late.size;
  }

  #among(suspects: Slot['suspects']): readonly Row[] {
    if (!suspects) return [];
    const known = this.#suspected.get(suspects);
    if (known) return known;
    const found = this.#rows.filter(({ serverId }) => suspects.has(serverId));
    this.#suspected.set(suspects, found);
    return found;
  }
}
