/**
 * The session list of one target, as the database showed it last, and the slot that each of its rows belongs to
 * (by the rules in claims.ts). What that means for a slot is decided in proof.ts.
 *
 * A session counts once whichever comes first, its report or its row: as its slot. A row without an owner counts by
 * itself. The list stays until the next one; a report may join rows that are already there, and a slot that ends takes
 * its row along, also out of a list that was asked for before the end and arrives after it.
 */
import {
  hasAddress,
  isDisputed,
  isDoubtful,
  isOurGrant,
  isSameSession,
  isStronger,
  isSuccessor,
  isWeak,
  strength,
} from './claims.js';
import type { LedgerEvent, NodeId, ObservedLogins, ObservedSession, ServerId } from './events.js';
import { FreeRows } from './free-rows.js';
import { groupedBy } from './grouped.js';
import type { Outcome } from './outcome.js';
import type { Row, Slot } from './records.js';
import { Rivals } from './rivals.js';

type Observed = Extract<LedgerEvent, { kind: 'observed' }>;

/** What an unowned row adds to the counts is the business of whoever keeps them: called with +1 and −1. */
export type CountRow = (row: Row, by: 1 | -1) => void;

interface Departed {
  readonly atMs: number;
  readonly slot: Slot;
}

const none: readonly Row[] = [];
const nobody: ReadonlySet<ServerId> = new Set();
const maxDeparted = 10_000;
const maxTruthful = 10_000;

export class SessionList {
  readonly #count: CountRow;
  #rows: Set<Row> = new Set();
  /** What the rows were made of; undefined where one is not there any more, or the ids do not tell them apart. */
  #shown: readonly ObservedSession[] | undefined;
  #byId = new Map<ServerId, Row[]>();
  #byPeer = new Map<string, Row[]>();
  /** Server ids and peers of sessions known to have gone, and when that was learnt. */
  readonly #departed = new Map<ServerId | string, Departed>();
  /** Nodes whose own addresses are what the server sees: no NAT between. */
  readonly #truthful = new Set<NodeId>();
  /** Of the slots that there were when the list came. */
  #rivals = new Rivals([], 0);
  askedAtMs = Number.NEGATIVE_INFINITY;
  receivedAtMs = Number.NEGATIVE_INFINITY;
  listsLogins = false;
  loginTimeoutMs = 60_000;
  /** Who was logging in; undefined where the last list does not say. */
  logins: ObservedLogins | undefined;
  loggingIn = nobody;
  /** The observer's own sessions. */
  own = 0;

  constructor(count: CountRow) {
    this.#count = count;
  }

  get rows(): ReadonlySet<Row> {
    return this.#rows;
  }

  /** It is of other servers from now on: what these had shown says nothing, and one's ids and addresses are not another's. */
  forget(): void {
    for (const row of this.#rows) {
      if (row.owner) this.#part(row, row.owner);
      else this.#count(row, -1);
    }
    this.#rows = new Set();
    this.#shown = undefined;
    this.#byId = new Map();
    this.#byPeer = new Map();
    this.#departed.clear();
    this.logins = undefined;
    this.loggingIn = nobody;
  }

  /** @returns false, and nothing has changed, when the list is older than the one that is there. */
  replace(
    list: Observed,
    slots: ReadonlySet<Slot>,
    { nowMs, step }: Pick<Outcome, 'nowMs' | 'step'>,
    marginMs: number,
  ): boolean {
    if (list.askedAtMs <= this.askedAtMs) return false;
    for (const row of this.#rows) {
      if (row.owner) this.#part(row, row.owner);
      else this.#count(row, -1);
    }
    this.askedAtMs = list.askedAtMs;
    this.receivedAtMs = nowMs;
    this.listsLogins = list.listsLogins;
    this.loginTimeoutMs = list.loginTimeoutMs;
    this.logins = list.logins;
    this.loggingIn = list.logins ? new Set(list.logins.serverIds) : nobody;
    this.own = list.own.length;
    if (!isSameList(list.sessions, this.#shown)) this.#read(list, step, nowMs);
    for (const row of this.#rows) this.#count(row, 1);
    const unjoined: Slot[] = [];
    for (const slot of slots) if (!this.join(slot)) unjoined.push(slot);
    this.#forgetDeparted();
    this.#rivals = new Rivals(slots, marginMs);
    this.#learn(slots, step);
    this.#guess(unjoined, this.#rows);
    return true;
  }

  /** Finds a slot its row by what is known of it now. @returns whether it has one by id or address. */
  join(slot: Slot): boolean {
    const former = slot.row;
    if (former && strength(slot, former) > 0) return true;
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
    this.#departedAs(slot, nowMs);
  }

  #departedAs(slot: Slot, nowMs: number): void {
    const key = slot.serverId ?? slot.localAddress;
    if (key === undefined || isWeak(slot)) return;
    if (this.#departed.size >= maxDeparted) this.#departed.delete(this.#departed.keys().next().value!);
    this.#departed.set(key, { atMs: nowMs, slot });
  }

  /** The slot is no longer this target's; whatever it owned stays. */
  release(slot: Slot): void {
    if (slot.row) this.#disown(slot.row);
  }

  /** Whether the list, if it shows the slot's session, could not be told to show it. */
  isVague(slot: Slot): boolean {
    if (slot.serverId !== undefined || slot.listedId !== undefined) return false;
    return slot.localAddress === undefined || !this.#truthful.has(slot.node) || !isOurGrant(slot);
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
    return hasAddress(slot, row) || this.#byId.get(serverId)!.length === 1;
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

  /** A database shows what it has shown before, most of the time: then the rows stay. */
  #read({ sessions }: Observed, step: number, nowMs: number): void {
    const rows = new Set<Row>();
    for (const { serverId, peer, user } of sessions) {
      const known = this.#byId.get(serverId)?.find((row) => isSameSession(row.peer, peer));
      const { seenStep, seenMs } = known ?? { seenStep: step, seenMs: nowMs };
      rows.add({ serverId, peer, user, seenStep, seenMs, owner: undefined, account: 'unknown' });
    }
    this.#rows = rows;
    this.#byId = groupedBy(rows, (row) => row.serverId);
    this.#byPeer = groupedBy(rows, (row) => row.peer);
    this.#shown = this.#byId.size === sessions.length ? sessions : undefined;
  }

  /** A list that was asked for before an end may still show it; a row that somebody else has joined is not meant. */
  #forgetDeparted(): void {
    if (this.#departed.size === 0) return;
    for (const [key, { atMs }] of this.#departed) if (atMs < this.askedAtMs) this.#departed.delete(key);
    if (this.#departed.size === 0) return;
    for (const row of this.#rows) {
      const departed = this.#departed.get(row.serverId) ?? this.#departed.get(row.peer ?? '');
      if (departed && !row.owner && strength(departed.slot, row) > 0) this.#remove(row);
    }
  }

  /** Rows with its id, or while that is not reported with its address. */
  #alike({ serverId, localAddress }: Slot): readonly Row[] {
    return (serverId !== undefined ? this.#byId.get(serverId) : this.#byPeer.get(localAddress ?? '')) ?? none;
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
    const mayHave = (slot: Slot): boolean => isOurGrant(slot) && !slot.doubt?.isSurplus(slot);
    const unsure = slots.filter((slot) => !slot.row && this.isVague(slot) && mayHave(slot));
    if (unsure.length === 0) return;
    const free = new FreeRows(rows);
    for (const slot of unsure.sort((a, b) => b.earliestStep - a.earliestStep)) {
      const row = free.take(slot);
      if (row) this.#own(slot, row);
    }
  }

  /** What a list says of the slots that it shows. */
  #learn(slots: ReadonlySet<Slot>, step: number): void {
    for (const slot of slots) {
      const { row, serverId, node } = slot;
      if (this.isMissing(slot)) slot.latestStep = Math.min(slot.latestStep, step);
      if (!row || strength(slot, row) === 0) continue;
      if (serverId !== undefined || (this.#isByAddress(slot, row) && !this.#rivals.mayHave(row, slot)))
        slot.listedId = row.serverId;
      if (serverId === undefined || !hasAddress(slot, row)) continue;
      if (this.#truthful.size >= maxTruthful) this.#truthful.clear();
      this.#truthful.add(node);
    }
  }

  /** Whether its address speaks for it, and for nobody else who is known to have had it. */
  #isByAddress(slot: Slot, { serverId, peer }: Row): boolean {
    const { state, openedByMs } = slot;
    // An address is one's own while one is open, and a list that comes late may show who had it before.
    if (state === 'closing' || openedByMs === undefined || openedByMs >= this.askedAtMs) return false;
    const isDeparted = this.#departed.has(serverId) || (peer !== undefined && this.#departed.has(peer));
    return !isDeparted && this.#rivals.isOnlyOne(slot);
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
    this.#rows.delete(row);
    this.#shown = undefined;
    forget(this.#byId, row.serverId, row);
    forget(this.#byPeer, row.peer, row);
  }
}

function isSameList(
  sessions: readonly ObservedSession[],
  before: readonly ObservedSession[] | undefined,
): boolean {
  return (
    sessions.length === before?.length &&
    sessions.every((session, i) => {
      const { serverId, peer, user } = before[i]!;
      return session.serverId === serverId && session.peer === peer && session.user === user;
    })
  );
}

function forget<Key>(index: Map<Key, Row[]>, key: Key | undefined, row: Row): void {
  const there = key === undefined ? undefined : index.get(key);
  if (!there) return;
  there.splice(there.indexOf(row), 1);
  if (there.length === 0) index.delete(key!);
}
