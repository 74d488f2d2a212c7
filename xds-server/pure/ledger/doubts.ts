/**
 * Closing slots of which so little is known that each may be the same session: none is free before that is gone. But no
 * more of them are alive than there are sessions that any of them may be, and so many are counted.
 *
 *   four slots; one row and one login that any of them may be  ──▶  two counted, two surplus
 *
 * Surplus ones stay in the books: a report or a check may still say which of the sessions is whose. Until the next list
 * there can only be fewer of these. When one slot is told from the others or is over, the sessions may be those of the rest:
 * if it was counted, another one is in its place (books.ts).
 */
import type { Slot } from './records.js';
import type { SessionList } from './session-list.js';
import type { UncertainRows } from './uncertain-rows.js';

/** A group, and how many of it may be alive: never fewer than one. */
export type DoubtfulSlots = readonly [slots: readonly Slot[], mostAlive: number];

/** What counts alike is in one group: no limit may be passed whichever of them are alive. */
export class Doubts {
  readonly #groups: Slot[][] = [];

  add(slot: Slot): void {
    const group = this.#groups.find(([first]) => countsAs(first!, slot));
    if (group) group.push(slot);
    else this.#groups.push([slot]);
  }

  counted(list: SessionList, rows: () => UncertainRows): DoubtfulSlots[] {
    return this.#groups.map((slots) => {
      const vague = slots.filter((slot) => list.isVague(slot));
      const mayBeRows = vague.length > 0 ? rows().mostFor(vague) : 0;
      // What has a row is counted rather than hidden behind it.
      slots.sort((a, b) => Number(b.row !== undefined) - Number(a.row !== undefined));
      return [slots, Math.max(1, mayBeRows + loginsAmong(slots, list))];
    });
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
