/**
 * Who else may have the row that has a slot's address? A node uses a port again as soon as it is free, and what is known of
 * the node is late: its connection may be over, and its address be that of one which was granted and is not reported yet.
 */
import { mayBe } from './claims.js';
import type { NodeId } from './events.js';
import { groupedBy } from './grouped.js';
import type { Door, Row, Slot } from './records.js';

/** Each slot of a node is compared with so many. Where there are more, none is sure of its row. */
const mostCompared = 32;

export class Rivals {
  readonly #marginMs: number;
  /** Of whom neither address nor id is known. */
  readonly #nameless: ReadonlyMap<NodeId, readonly Slot[]>;
  /** How many are known by nothing but this address. */
  readonly #addresses = new Map<string, number>();

  /** @param marginMs from a connection's end until it is known, at the worst */
  constructor(slots: Iterable<Slot>, marginMs: number) {
    this.#marginMs = marginMs;
    const nameless: Slot[] = [];
    for (const slot of slots) {
      const { serverId, localAddress } = slot;
      if (serverId !== undefined) continue;
      if (localAddress === undefined) nameless.push(slot);
      else this.#addresses.set(localAddress, (this.#addresses.get(localAddress) ?? 0) + 1);
    }
    this.#nameless = groupedBy(nameless, ({ node }) => node);
  }

  isOnlyOne({ localAddress }: Slot): boolean {
    return localAddress !== undefined && this.#addresses.get(localAddress) === 1;
  }

  /**
   * Whether it may be the row of another one of the slot's node.
   *
   * @param door who came in by it does not count
   */
  mayHave(row: Row, { node, reportedMs }: Slot, door?: Door): boolean {
    // One that was over when the slot was still open has never had its address.
    const openUntilMs = reportedMs - this.#marginMs;
    let compared = 0;
    for (const rival of this.#nameless.get(node) ?? []) {
      if (rival.closingMs <= openUntilMs || (door && rival.door === door)) continue;
      compared += 1;
      if (compared > mostCompared || mayBe(rival, row)) return true;
    }
    return false;
  }
}
