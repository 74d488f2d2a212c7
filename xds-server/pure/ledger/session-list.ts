/**
 * The session list of one target, as the database showed it last, and which slot each of its rows belongs to. It
 * decides what is joined to what; what that means for a slot is decided in proof.ts.
 *
 * A row is claimed by the strongest of
 *
 *   reported id   the server id as its node has said it
 *   listed id     the server id of the row that it was joined to before
 *   address       its node's own address; only while no id is known, and a slot learns its listed id so
 *   guess         it has no key yet that the list could show
 *
 * and of two equal ones by the slot that was opened last: pids and ports are used again, and only when they are free.
 * Only an id makes a row that was there before the grant a slot's own. So a session counts once whichever comes first,
 * its report or its row: as its slot. A row without an owner counts by itself. The list stays until the next one; a
 * report may join rows that are already there, and a slot that ends takes its row along, also out of a list that was
 * asked for before the end and arrives after it.
 */
import type { LedgerEvent, NodeId, ServerId } from './events.js';
import type { Outcome } from './outcome.js';
import type { Row, Slot } from './records.js';

type Observed = Extract<LedgerEvent, { kind: 'observed' }>;

/** What an unowned row adds to the counts is the business of whoever keeps them: called with +1 and −1. */
export type CountRow = (row: Row, by: 1 | -1) => void;

interface Departed {
  readonly atMs: number;
  readonly earliestStep: number;
}

const maxDeparted = 10_000;
const maxTruthful = 10_000;

export class SessionList {
  readonly #count: CountRow;
  #rows: Set<Row> = new Set();
  #byId = new Map<ServerId, Row[]>();
  #byPeer = new Map<string, Row[]>();
  /** Server ids and peers of sessions known to have gone, and when that was learnt. */
  readonly #departed = new Map<ServerId | string, Departed>();
  /** Nodes whose own addresses are what the server sees: no NAT between. */
  readonly #truthful = new Set<NodeId>();
  askedAtMs = Number.NEGATIVE_INFINITY;
  receivedAtMs = Number.NEGATIVE_INFINITY;
  listsLogins = false;
  loginTimeoutMs = 60_000;
  /** The observer's own sessions. */
  own = 0;

  constructor(count: CountRow) {
    this.#count = count;
  }

  get rows(): ReadonlySet<Row> {
    return this.#rows;
  }

  /** @returns false, and nothing has changed, when the list is older than the one that is there. */
  replace(list: Observed, slots: Iterable<Slot>, { nowMs, step }: Pick<Outcome, 'nowMs' | 'step'>): boolean {
    if (list.askedAtMs <= this.askedAtMs) return false;
    const before = this.#byId;
    for (const row of this.#rows) {
      if (row.owner) row.owner.row = undefined;
      else this.#count(row, -1);
    }
    this.askedAtMs = list.askedAtMs;
    this.receivedAtMs = nowMs;
    this.listsLogins = list.listsLogins;
    this.loginTimeoutMs = list.loginTimeoutMs;
    this.own = list.own.length;
    this.#rows = new Set(this.#read(list, before, step));
    this.#byId = indexed(this.#rows, (row) => row.serverId);
    this.#byPeer = indexed(this.#rows, (row) => row.peer);
    for (const row of this.#rows) this.#count(row, 1);
    const unsure: Slot[] = [];
    for (const slot of slots)
      if (!this.join(slot) && this.isVague(slot) && isOurGrant(slot)) unsure.push(slot);
    this.#forgetDeparted();
    this.#guess(unsure);
    return true;
  }

  /** Finds a slot its row by what is known of it now. @returns whether it has one by id or address. */
  join(slot: Slot): boolean {
    const former = slot.row;
    if (former && strength(slot, former) > 0) {
      this.#learn(slot, former);
      return true;
    }
    const claim = this.#claimable(slot);
    if (!claim) {
      // Its id is known now, and the row that it was given for another reason has a different one.
      if (former && idOf(slot) !== undefined) this.#disown(former);
      return false;
    }
    const loser = claim.owner;
    if (former) this.#disown(former);
    if (loser) {
      this.#disown(claim);
      // What it was taken for is somebody else.
      loser.listedId = loser.peerPort = undefined;
    }
    this.#own(slot, claim);
    if (
      loser &&
      !this.join(loser) &&
      former &&
      this.isVague(loser) &&
      isOurGrant(loser) &&
      mayBe(loser, former)
    )
      this.#own(loser, former);
    return true;
  }

  /** The slot is over: surely, so that its row is too, wherever it may still be listed. */
  depart(slot: Slot, nowMs: number): void {
    const { row } = slot;
    if (row) this.#disown(row);
    if (row && strength(slot, row) > 0) this.#remove(row);
    this.#departedAs(slot, nowMs);
  }

  #departedAs({ serverId, localAddress, earliestStep }: Slot, nowMs: number): void {
    const key = serverId ?? localAddress;
    if (key === undefined) return;
    if (this.#departed.size >= maxDeparted) this.#departed.delete(this.#departed.keys().next().value!);
    this.#departed.set(key, { atMs: nowMs, earliestStep });
  }

  /** The slot is no longer this target's; whatever it owned stays. */
  release(slot: Slot): void {
    if (slot.row) this.#disown(slot.row);
  }

  /** Whether the list, if it shows the slot's session, could not be told to show it. */
  isVague(slot: Slot): boolean {
    if (idOf(slot) !== undefined) return false;
    return slot.localAddress === undefined || !this.#truthful.has(slot.node) || !isOurGrant(slot);
  }

  /** Whether a row with the slot's server id is there, but taken by another that is closing too. */
  isContested(slot: Slot): boolean {
    const id = idOf(slot);
    return id !== undefined && (this.#byId.get(id) ?? []).some((row) => row.owner?.state === 'closing');
  }

  #read(list: Observed, before: ReadonlyMap<ServerId, readonly Row[]>, step: number): Row[] {
    const own = new Set(list.own);
    const rows: Row[] = [];
    for (const { serverId, peer, user } of list.sessions) {
      if (own.has(serverId)) continue;
      const known = before.get(serverId)?.find((row) => row.peer === peer && row.user === user);
      rows.push({
        serverId,
        peer,
        user,
        seenStep: known?.seenStep ?? step,
        owner: undefined,
        account: 'unknown',
      });
    }
    return rows;
  }

  /** A list that was asked for before an end may still show it; a row that somebody else has joined is not meant. */
  #forgetDeparted(): void {
    for (const [key, { atMs }] of this.#departed) if (atMs < this.askedAtMs) this.#departed.delete(key);
    if (this.#departed.size === 0) return;
    for (const row of this.#rows) {
      if (row.owner) continue;
      const byPeer = this.#departed.get(row.peer ?? '');
      if (this.#departed.has(row.serverId) || (byPeer && row.seenStep > byPeer.earliestStep))
        this.#remove(row);
    }
  }

  #claimable(slot: Slot): Row | undefined {
    const id = idOf(slot);
    const rows = id !== undefined ? this.#byId.get(id) : this.#byPeer.get(slot.localAddress ?? '');
    if (!rows) return undefined;
    let weakest: Row | undefined;
    for (const row of rows) {
      if (strength(slot, row) === 0) continue;
      if (!row.owner) return row;
      if (isStronger(slot, row.owner, row)) weakest = row;
    }
    return weakest;
  }

  /** The latest first: their choice is the smallest, so that as many as possible find one. */
  #guess(unsure: Slot[]): void {
    if (unsure.length === 0) return;
    const free = [...this.#rows].filter((row) => !row.owner).sort((a, b) => b.seenStep - a.seenStep);
    unsure.sort((a, b) => b.earliestStep - a.earliestStep);
    for (const slot of unsure) {
      if (slot.row) continue;
      let chosen: Row | undefined;
      for (const row of free) {
        if (row.seenStep <= slot.earliestStep) break;
        if (row.owner || !mayBe(slot, row)) continue;
        chosen = row;
        if (row.account === slot.service) break;
      }
      if (chosen) this.#own(slot, chosen);
    }
  }

  #own(slot: Slot, row: Row): void {
    this.#count(row, -1);
    row.owner = slot;
    slot.row = row;
    if (strength(slot, row) > 0) this.#learn(slot, row);
  }

  #learn(slot: Slot, row: Row): void {
    slot.listedId = row.serverId;
    // A row from before it opened may be of an earlier session with the same id.
    if (slot.openedByMs !== undefined && slot.openedByMs < this.askedAtMs) slot.peerPort = portOf(row.peer);
    if (slot.serverId === undefined || row.peer === undefined || row.peer !== slot.localAddress) return;
    if (this.#truthful.size >= maxTruthful) this.#truthful.clear();
    this.#truthful.add(slot.node);
  }

  #disown(row: Row): void {
    row.owner!.row = undefined;
    row.owner = undefined;
    this.#count(row, 1);
  }

  /** Only for a row without an owner. */
  #remove(row: Row): void {
    this.#count(row, -1);
    this.#rows.delete(row);
    forget(this.#byId, row.serverId, row);
    forget(this.#byPeer, row.peer, row);
  }
}

/** What a list could show it by. */
function idOf({ serverId, listedId }: Slot): ServerId | undefined {
  return serverId ?? listedId;
}

/** How good a slot's claim to a row is; 0: no better than a guess. */
function strength(slot: Slot, row: Row): number {
  const id = idOf(slot);
  if (id === undefined) {
    const isSame = row.peer !== undefined && row.peer === slot.localAddress;
    return isSame && isOurGrant(slot) && mayBe(slot, row) ? 1 : 0;
  }
  if (id !== row.serverId) return 0;
  const port = portOf(row.peer);
  if (slot.peerPort !== undefined && port !== undefined && slot.peerPort !== port) return 0;
  return slot.serverId === undefined ? 2 : 3;
}

function isStronger(one: Slot, other: Slot, row: Row): boolean {
  const by = strength(one, row) - strength(other, row);
  return by > 0 || (by === 0 && openedBy(one) > openedBy(other));
}

/** When it was first heard of that it had been opened. */
export function openedBy({ openedByMs, closingMs }: Slot): number {
  return openedByMs ?? closingMs;
}

/** Whether a row has no owner, or one that may as well own another. */
export function isUncertain(row: Row): boolean {
  return !row.owner || strength(row.owner, row) === 0;
}

/**
 * Of a slot that another ledger granted any row could be: as likely another's, which would not be counted then. It says
 * what its own is with its next report.
 */
function isOurGrant({ earliestStep }: Slot): boolean {
  return Number.isFinite(earliestStep);
}

/** Whether nothing that is known speaks against it. */
export function mayBe({ earliestStep, service }: Slot, { seenStep, account }: Row): boolean {
  if (seenStep <= earliestStep) return false;
  return !service.users || account === service || account === 'several' || account === 'unknown';
}

/** The host may be shown by name at one time and by address at another (MySQL), the port never changes. */
function portOf(peer: string | undefined): string | undefined {
  return peer?.slice(peer.lastIndexOf(':') + 1);
}

function indexed<Key>(rows: Iterable<Row>, keyOf: (row: Row) => Key | undefined): Map<Key, Row[]> {
  const index = new Map<Key, Row[]>();
  for (const row of rows) {
    const key = keyOf(row);
    if (key === undefined) continue;
    const there = index.get(key);
    if (there) there.push(row);
    else index.set(key, [row]);
  }
  return index;
}

function forget<Key>(index: Map<Key, Row[]>, key: Key | undefined, row: Row): void {
  const there = key === undefined ? undefined : index.get(key);
  if (!there) return;
  there.splice(there.indexOf(row), 1);
  if (there.length === 0) index.delete(key!);
}
