/**
 * Closing slots of which so little is known that each may be the same session: none is free before that is gone. But no
 * more of them are alive than there are sessions that any of them may be, and so many are counted.
 *
 *   four slots; one row and one login that any of them may be  ──▶  two counted, two surplus
 *
 * Surplus ones stay in the books: a report or a check may still say which of the sessions is whose. Until the next list
 * there can only be fewer of these. When one slot is told from the others or is over, the sessions may be those of the rest:
 * if it was counted, another one is in its place.
 */
import { groupedBy } from './grouped.js';
import type { Slot } from './records.js';
import type { SessionList } from './session-list.js';
import type { UncertainRows } from './uncertain-rows.js';

/** Slots that count alike, and how many of them may be alive: never fewer than one. */
export type DoubtfulSlots = readonly [slots: readonly Slot[], mostAlive: number];

/** Those of one target, as one list shows them. */
export class Doubts {
  readonly #slots: Slot[] = [];
  readonly #list: SessionList;
  readonly #rows: () => UncertainRows;

  constructor(list: SessionList, rows: () => UncertainRows) {
    this.#list = list;
    this.#rows = rows;
  }

  add(slot: Slot): void {
    this.#slots.push(slot);
  }

  /** By what their slots count for: no limit may be passed whichever of them are alive. */
  get bySlot(): DoubtfulSlots[] {
    const groups: Slot[][] = [];
    // What has a row is counted rather than hidden behind it.
    for (const slot of this.#slots.sort((a, b) => Number(!a.row) - Number(!b.row))) {
      const group = groups.find(([first]) => countsAs(first!, slot));
      if (group) group.push(slot);
      else groups.push([slot]);
    }
    return groups.map((slots) => [slots, this.#mostAlive(slots)]);
  }

  /** By the door that they hold a place of, if they do. */
  get byDoor(): DoubtfulSlots[] {
    const groups = groupedBy(this.#slots, ({ door }) => door);
    return [...groups.values()].map((slots) => [slots, this.#mostAlive(slots)]);
  }

  #mostAlive(slots: readonly Slot[]): number {
    const vague = slots.filter((slot) => this.#list.isVague(slot));
    const mayBeRows = vague.length > 0 ? this.#rows().mostFor(vague) : 0;
    return Math.max(1, mayBeRows + loginsAmong(slots, this.#list));
  }
}

function countsAs(one: Slot, other: Slot): boolean {
  return one.service === other.service && one.tenant === other.tenant && one.onlyKill === other.onlyKill;
}

/** Several servers of one target may have a login of the same id each. */
function loginsAmong(slots: readonly Slot[], { logins }: SessionList): number {
  if (!logins) return 0;
  const suspects = [...new Set(slots.map((slot) => slot.suspects))];
  return logins.serverIds.filter((id) => suspects.some((ids) => ids?.has(id))).length;
}

/** One group: which of it do not count is arbitrary. */
export class Doubt {
  readonly #surplus: Set<Slot>;
  readonly #count: (slot: Slot, by: 1 | -1) => void;

  constructor([slots, mostAlive]: DoubtfulSlots, count: (slot: Slot, by: 1 | -1) => void) {
    this.#surplus = new Set(slots.slice(mostAlive));
    this.#count = count;
    for (const slot of this.#surplus) count(slot, -1);
  }

  isSurplus(slot: Slot): boolean {
    return this.#surplus.has(slot);
  }

  /** A slot of it is known, or over: if it was counted, another one is instead. */
  tellApart(slot: Slot): void {
    const [next] = this.#surplus.has(slot) ? [slot] : this.#surplus;
    if (!next) return;
    this.#surplus.delete(next);
    this.#count(next, 1);
  }

  /** All of it count. */
  end(): void {
    for (const slot of this.#surplus) this.#count(slot, 1);
    this.#surplus.clear();
  }
}

/** Whether it is in the books and does not count. */
export function isSurplus(slot: Slot): boolean {
  return slot.doubt?.isSurplus(slot) ?? false;
}
