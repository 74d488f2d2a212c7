/**
 * Who else may have the row that has a slot's address? A host uses a port again as soon as it is free, and what is known of
 * its nodes is late: a connection may be over, and its address be that of one which was granted and is not reported yet, by the
 * same node or by another one there.
 */
import { mayBe } from './claims.js';
import type { NodeId } from './events.js';
import { groupedBy } from './grouped.js';
import type { Door, Row, Slot } from './records.js';
import { isAtOneOf, type Sightings } from './sightings.js';

/** Each slot is compared with so many of its node, and of others. Where there are more, none is sure of its row. */
const mostCompared = 32;

export class Rivals {
  readonly #sightings: Pick<Sightings, 'hostsOf'>;
  readonly #marginMs: number;
  /** Of whom neither address nor id is known. */
  readonly #nameless: ReadonlyMap<NodeId, readonly Slot[]>;
  /** How many are known by nothing but this address. */
  readonly #addresses = new Map<string, number>();

  /** @param marginMs from a connection's end until it is known, at the worst */
  constructor(slots: Iterable<Slot>, sightings: Pick<Sightings, 'hostsOf'>, marginMs: number) {
    this.#sightings = sightings;
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
   * Whether it may be the row of another one, of the slot's node or of one that may be at the same host.
   *
   * @param door who came in by it does not count
   */
  mayHave(row: Row, slot: Slot, door?: Door): boolean {
    for (const [node, rivals] of this.#nameless)
      if (this.#mayOneHave(rivals, row, slot, node !== slot.node, door)) return true;
    return false;
  }

  #mayOneHave(
    rivals: readonly Slot[],
    row: Row,
    { reportedMs, remoteAddress }: Slot,
    areAnothers: boolean,
    door: Door | undefined,
  ): boolean {
    // One that was over when the slot was still open has never had its address.
    const openUntilMs = reportedMs - this.#marginMs;
    let compared = 0;
    for (const rival of rivals) {
      if (rival.closingMs <= openUntilMs || (door && rival.door === door)) continue;
      compared += 1;
      if (compared > mostCompared) return true;
      const hosts =
        areAnothers && remoteAddress !== undefined && this.#sightings.hostsOf(rival, remoteAddress);
      if (hosts && !isAtOneOf(hosts, row.peer)) continue;
      if (mayBe(rival, row)) return true;
    }
    return false;
  }
}
