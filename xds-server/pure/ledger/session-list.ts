/**
 * The session list of one target, as the database showed it last, and the slot that each of its rows belongs to
 * (by the rules in claims.ts). What that means for a slot is decided in proof.ts.
 *
 * A session counts once whichever comes first, its report or its row: as its slot. A row without an owner counts by
 * itself. The list stays until the next one; a report may join rows that are already there, and a slot that ends takes
 * its row along, also out of a list that was asked for before the end and arrives after it.
 */
import { isAddress } from '../plan/address.js';
import {
  certain,
  hasAddress,
  isDisputed,
  isDoubtful,
  isOurGrant,
  isStronger,
  isSuccessor,
  strength,
} from './claims.js';
import { Departed } from './departed.js';
import { isSurplus } from './doubts.js';
import type { LedgerEvent, ObservedLogins, ServerId } from './events.js';
import { FreeRows } from './free-rows.js';
import type { Outcome } from './outcome.js';
import type { Row, Slot } from './records.js';
import { Rivals } from './rivals.js';
import { Rows } from './rows.js';
import { Sightings } from './sightings.js';

type Observed = Extract<LedgerEvent, { kind: 'observed' }>;

/** What an unowned row adds to the counts is the business of whoever keeps them: called with +1 and −1. */
export type CountRow = (row: Row, by: 1 | -1) => void;

const nobody: ReadonlySet<ServerId> = new Set();

export class SessionList {
  readonly #count: CountRow;
  #rows = new Rows();
  readonly #departed = new Departed();
  /** Learnt from each list, and kept when the next one comes: of rows without a sure owner it says whose they cannot be. */
  readonly sightings = new Sightings();
  /** Of the slots that there were when the list came. */
  #rivals = new Rivals([], this.sightings, 0);
  askedAtMs = Number.NEGATIVE_INFINITY;
  receivedAtMs = Number.NEGATIVE_INFINITY;
  listsLogins = false;
  loginTimeoutMs = 60_000;
  /** Who was logging in; undefined where the last list does not say. */
  logins: ObservedLogins | undefined;
  loggingIn = nobody;
  /** Who was logging in when the target's recovery ended, and still is: an earlier ledger may have granted him. */
  earlierLogins: readonly ServerId[] = [];
  #recoveredStep = Number.NEGATIVE_INFINITY;
  #recoveredMs = Number.NEGATIVE_INFINITY;
  /** The observer's own sessions. */
  own = 0;
  /** Closing slots are kept for rows that may be theirs. */
  hasDoubts = false;

  constructor(count: CountRow) {
    this.#count = count;
  }

  get rows(): ReadonlySet<Row> {
    return this.#rows.all;
  }

  /** It is of other servers from now on: what these had shown says nothing, and one's ids and addresses are not another's. */
  forget(): void {
    this.#takeDown();
    this.#rows = new Rows();
    this.#departed.clear();
    this.sightings.clear();
    this.logins = undefined;
    this.loggingIn = nobody;
    this.earlierLogins = [];
  }

  /** The last list is the first of which something may be granted. */
  recovered({ step, nowMs }: Pick<Outcome, 'nowMs' | 'step'>): void {
    // Who is left of the one before keeps its step: whom it has granted since may not have his row.
    if (this.earlierLogins.length === 0) this.#recoveredStep = step;
    this.earlierLogins = this.logins?.serverIds ?? [];
    this.#recoveredMs = nowMs;
  }

  /** @returns false, and nothing has changed, when the list is older than the one that is there. */
  replace(
    list: Observed,
    slots: ReadonlySet<Slot>,
    { nowMs, step }: Pick<Outcome, 'nowMs' | 'step'>,
    marginMs: number,
  ): boolean {
    if (list.askedAtMs <= this.askedAtMs) return false;
    this.#takeDown();
    this.askedAtMs = list.askedAtMs;
    this.receivedAtMs = nowMs;
    this.listsLogins = list.listsLogins;
    this.loginTimeoutMs = list.loginTimeoutMs;
    this.logins = list.logins;
    this.loggingIn = list.logins ? new Set(list.logins.serverIds) : nobody;
    this.own = list.own.length;
    this.#rows.read(list.sessions, step, nowMs, { serverIds: this.earlierLogins, step: this.#recoveredStep });
    if (list.logins) this.earlierLogins = this.earlierLogins.filter((id) => this.loggingIn.has(id));
    // Nobody says it any more: another version is there, or one that looks up names.
    else if (list.listsLogins || list.askedAtMs > this.#recoveredMs + list.loginTimeoutMs)
      this.earlierLogins = [];
    for (const row of this.#departed.livingAmong(this.rows, list.askedAtMs)) row.isOurs = true;
    for (const row of this.rows) this.#count(row, 1);
    const unjoined: Slot[] = [];
    for (const slot of slots) if (!this.join(slot)) unjoined.push(slot);
    this.#departed.forgetUntil(this.askedAtMs);
    for (const row of this.#departed.among(this.rows)) this.#remove(row);
    this.#rivals = new Rivals(slots, this.sightings, marginMs);
    this.#learn(slots, step);
    this.#guess(unjoined, this.rows);
    return true;
  }

  /** Finds a slot its row by what is known of it now. @returns whether it has one by id or address. */
  join(slot: Slot): boolean {
    const former = slot.row;
    if (former && strength(slot, former) > 0) {
      this.#sight(slot, former);
      return true;
    }
    const claim = this.#claimable(slot);
    if (!claim) {
      // Its id is known now, and the row that it was given for another reason has a different one.
      if (former && slot.serverId !== undefined) this.#disown(former);
      return false;
    }
    const loser = claim.owner;
    if (former) this.#disown(former);
    if (loser) {
      this.#disown(claim);
      // What it was taken for is somebody else.
      loser.listedId = undefined;
    }
    this.#own(slot, claim);
    this.#sight(slot, claim);
    if (loser && !this.join(loser) && former) this.#guess([loser], [former]);
    return true;
  }

  /**
   * The slot is over: surely, so that its row is too, wherever it may still be listed. One that may be another's stays
   * until a list shows whether that one has it.
   */
  depart(slot: Slot, nowMs: number): void {
    const { row } = slot;
    if (row) this.#disown(row);
    if (row && strength(slot, row) > 0) {
      if (isDisputed(row, slot)) return;
      this.#remove(row);
    }
    this.#departed.add(slot, row, nowMs);
  }

  /** The slot is no longer this target's; whatever it owned stays. */
  release(slot: Slot): void {
    if (slot.row) this.#disown(slot.row);
  }

  /** Whether the list, if it shows the slot's session, could not be told to show it. */
  isVague(slot: Slot): boolean {
    if (slot.serverId !== undefined || slot.listedId !== undefined) return false;
    return !this.sightings.showAddressOf(slot) || !isOurGrant(slot);
  }

  /**
   * Whether it is the slot's login that its row shows, or another one's by the same door: it has the id that its node
   * reported, or an address that only this slot has, and was reported to have just now.
   */
  showsLoginOf(slot: Slot, marginMs: number): boolean {
    const { row, serverId, reportedMs, door } = slot;
    if (!row || strength(slot, row) === 0) return false;
    if (serverId === undefined)
      return (
        reportedMs >= this.askedAtMs - marginMs &&
        this.#isByAddress(slot, row) &&
        !this.#rivals.mayHave(row, slot, door)
      );
    // Several servers of one target may use the same id.
    return hasAddress(slot, row) || this.#rows.withId(serverId).length === 1;
  }

  /** Whether the list would show the slot's session if it lived, and does not: its id was known before the question. */
  isMissing(slot: Slot): boolean {
    if (slot.identifiedMs >= this.askedAtMs) return false;
    return !this.#alike(slot).some((row) => strength(slot, row) > 0 || isDoubtful(slot, row));
  }

  /** Whether a row that may be this closing slot's is another's, who may be wrong. */
  isContested(slot: Slot, marginMs: number): boolean {
    return this.#alike(slot).some(
      (row) =>
        isDoubtful(slot, row) ||
        (row.owner && strength(slot, row) > 0 && !isSuccessor(row.owner, slot, row, marginMs)),
    );
  }

  #takeDown(): void {
    for (const row of this.rows)
      if (row.owner) this.#part(row, row.owner);
      else this.#count(row, -1);
  }

  /** Rows with its id, or while that is not reported with its address. */
  #alike({ serverId, localAddress }: Slot): readonly Row[] {
    return serverId !== undefined ? this.#rows.withId(serverId) : this.#rows.withPeer(localAddress);
  }

  #claimable(slot: Slot): Row | undefined {
    let best: Row | undefined;
    let bestWorth = 0;
    for (const row of this.#alike(slot)) {
      const claim = strength(slot, row);
      if (claim === 0 || (row.owner && !isStronger(slot, row.owner, row))) continue;
      // Several servers of one target may use the same id: then the address tells them apart.
      const worth = 4 * claim + (hasAddress(slot, row) ? 2 : 0) + (row.owner ? 0 : 1);
      if (worth > bestWorth) {
        best = row;
        bestWorth = worth;
      }
    }
    return best;
  }

  /** The latest slot first, with the latest row: its choice is the smallest, so that as many as possible find one. */
  #guess(slots: readonly Slot[], rows: Iterable<Row>): void {
    if (slots.length === 0) return;
    // A row is not hidden behind a slot that does not count.
    const mayHave = (slot: Slot): boolean => isOurGrant(slot) && !isSurplus(slot);
    const unsure = slots.filter((slot) => !slot.row && this.isVague(slot) && mayHave(slot));
    if (unsure.length === 0) return;
    const hadBegun = ({ begunStep }: Row): boolean => begunStep !== undefined;
    const free = new FreeRows([...rows].filter((row) => !hadBegun(row)));
    const begun = new FreeRows([...rows].filter(hadBegun));
    for (const slot of unsure.sort((a, b) => b.earliestStep - a.earliestStep)) {
      const row = free.take(slot) ?? begun.take(slot);
      if (row) this.#own(slot, row);
    }
  }

  /** What a list says of the slots that it shows. */
  #learn(slots: ReadonlySet<Slot>, step: number): void {
    for (const slot of slots) {
      const { row, serverId } = slot;
      if (this.isMissing(slot)) slot.latestStep = Math.min(slot.latestStep, step);
      if (!row || strength(slot, row) === 0) continue;
      if (serverId !== undefined || (this.#isByAddress(slot, row) && !this.#rivals.mayHave(row, slot)))
        slot.listedId = row.serverId;
    }
  }

  /** A row that is surely a slot's own says where the server sees its node. */
  #sight(slot: Slot, row: Row): void {
    if (strength(slot, row) < certain) return;
    if (hasAddress(slot, row)) this.sightings.own(slot);
    else if (row.peer !== undefined && isAddress(row.peer)) this.sightings.another(slot);
  }

  /** Whether its address speaks for it, and for nobody else who is known to have had it. */
  #isByAddress(slot: Slot, row: Row): boolean {
    const { state, openedByMs } = slot;
    // An address is one's own while one is open, and a list that comes late may show who had it before.
    if (state === 'closing' || openedByMs === undefined || openedByMs >= this.askedAtMs) return false;
    return !this.#departed.haveKeyOf(row) && this.#rivals.isOnlyOne(slot);
  }

  #own(slot: Slot, row: Row): void {
    this.#count(row, -1);
    row.owner = slot;
    slot.row = row;
  }

  #disown(row: Row): void {
    this.#part(row, row.owner!);
    this.#count(row, 1);
  }

  #part(row: Row, owner: Slot): void {
    owner.row = undefined;
    row.owner = undefined;
  }

  /** Only for a row without an owner. */
  #remove(row: Row): void {
    this.#count(row, -1);
    this.#rows.remove(row);
  }
}
