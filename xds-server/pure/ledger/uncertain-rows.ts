/**
 * The rows of a list that are not surely somebody's, for the question whether one of them may be a slot's. A node may take
 * thousands of grants along, at a server with thousands of sessions: no slot is compared with each row.
 */
import { accountsOf, isSameSession, mayBe, portOf } from './claims.js';
import { groupedBy } from './grouped.js';
import type { Row, Slot } from './records.js';
import { isAtOneOf, type Sightings } from './sightings.js';
import { firstAbove } from './sorted.js';

export class UncertainRows {
  readonly #rows: readonly Row[];
  readonly #sightings: Pick<Sightings, 'showAddressOf' | 'hostsOf'>;
  /** Those that may be of a node with these hosts: a node's slots are asked for together. */
  readonly #atHosts = new Map<ReadonlySet<string>, UncertainRows>();
  /** Under '' those of which the list shows no address. */
  #byPort: ReadonlyMap<string, readonly Row[]> | undefined;
  /** In which steps they were first seen: by account, in order. */
  readonly #seen = new Map<Row['account'], number[]>();
  /** Those that were logging in when a slot should have been shown: many slots have the same suspects. */
  readonly #suspected = new Map<Slot['suspects'], readonly Row[]>();

  constructor(rows: readonly Row[], sightings: Pick<Sightings, 'showAddressOf' | 'hostsOf'>) {
    this.#rows = rows;
    this.#sightings = sightings;
    for (const { account, seenStep } of this.#rows) {
      const steps = this.#seen.get(account);
      if (steps) steps.push(seenStep);
      else this.#seen.set(account, [seenStep]);
    }
    for (const steps of this.#seen.values()) steps.sort((a, b) => a - b);
  }

  /** `mayBe` for any of them, of those where the slot's row can be. */
  haveOneFor(slot: Slot): boolean {
    if (this.#sightings.showAddressOf(slot)) return this.#atAddressOf(slot).some((row) => mayBe(slot, row));
    return this.#near(slot).#haveAnyFor(slot);
  }

  #haveAnyFor(slot: Slot): boolean {
    for (const account of accountsOf(slot) ?? this.#seen.keys()) {
      const steps = this.#seen.get(account) ?? [];
      const next = steps[firstAbove(steps, slot.earliestStep)];
      if (next !== undefined && next <= slot.latestStep) return true;
    }
    return this.#among(slot.suspects).some((row) => mayBe(slot, row));
  }

  /** How many of them there is one for some of the slots among; or more. */
  mostFor(slots: readonly Slot[]): number {
    const atAddress = new Set<Row>();
    const others: Slot[] = [];
    for (const slot of slots)
      if (!this.#sightings.showAddressOf(slot)) others.push(slot);
      else for (const row of this.#atAddressOf(slot)) if (mayBe(slot, row)) atAddress.add(row);
    let most = atAddress.size;
    for (const [near, of] of groupedBy(others, (slot) => this.#near(slot))) most += near.#mostAnywhere(of);
    return Math.min(most, this.#rows.length);
  }

  /** Where its node has been seen, at the only server that there is. */
  #near(slot: Slot): UncertainRows {
    const [server, another] = slot.target.addresses ?? [];
    const hosts = server !== undefined && another === undefined && this.#sightings.hostsOf(slot, server);
    if (!hosts) return this;
    const known = this.#atHosts.get(hosts);
    if (known) return known;
    const rows = this.#rows.filter(({ peer }) => isAtOneOf(hosts, peer));
    const near = new UncertainRows(rows, this.#sightings);
    this.#atHosts.set(hosts, near);
    return near;
  }

  #mostAnywhere(slots: readonly Slot[]): number {
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

  #atAddressOf({ localAddress }: Slot): readonly Row[] {
    this.#byPort ??= groupedBy(this.#rows, ({ peer }) => (peer === undefined ? '' : portOf(peer)));
    const near = [...(this.#byPort.get(portOf(localAddress!)) ?? []), ...(this.#byPort.get('') ?? [])];
    return near.filter(({ peer }) => isSameSession(peer, localAddress));
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
