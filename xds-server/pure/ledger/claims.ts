/**
 * Which row of a session list is a slot's? A claim is the stronger the surer it is:
 *
 *   reported id   the server id as its node has said it
 *   listed id     the server id of the row that it was joined to before
 *   address       its node's own address; only while no id is known, and a slot learns its listed id so
 *   guess         it has no key yet that the list could show, and nothing speaks against it
 *
 * and of two equal ones the slot's that was opened last: pids and ports are used again, and only when they are free.
 * Only an id makes a row that was there before the grant a slot's own.
 */
import type { ServerId } from './events.js';
import type { Row, Slot } from './records.js';

/** What a list could show it by. */
export function idOf({ serverId, listedId }: Slot): ServerId | undefined {
  return serverId ?? listedId;
}

/** 0: no better than a guess. */
export function strength(slot: Slot, row: Row): number {
  if (!hasAccount(slot, row)) return 0;
  const id = idOf(slot);
  if (id === undefined) return hasAddress(slot, row) && isOurGrant(slot) && isNew(slot, row) ? 1 : 0;
  if (id !== row.serverId) return 0;
  const port = portOf(row.peer);
  if (slot.peerPort !== undefined && port !== undefined && slot.peerPort !== port) return 0;
  return slot.serverId === undefined ? 2 : 3;
}

export function isStronger(one: Slot, other: Slot, row: Row): boolean {
  const by = strength(one, row) - strength(other, row);
  return by > 0 || (by === 0 && openedBy(one) > openedBy(other));
}

/**
 * Whether it is certain that the row is the one's, and that the other, which is closing, is gone: the server gave its id
 * to one that was granted later, or was still reported open later.
 */
export function isSuccessor(one: Slot, other: Slot, row: Row, marginMs: number): boolean {
  if (one.serverId !== row.serverId || strength(one, row) === 0) return false;
  return (
    one.earliestStep > other.closingStep ||
    (one.state === 'session' && one.reportedMs > other.closingMs + marginMs)
  );
}

/** Whether a row has no owner, or one that may as well own another. */
export function isUncertain(row: Row): boolean {
  return !row.owner || strength(row.owner, row) === 0;
}

/** Whether nothing that is known speaks against it. */
export function mayBe(slot: Slot, row: Row): boolean {
  return isNew(slot, row) && hasAccount(slot, row);
}

function isNew({ earliestStep }: Slot, { seenStep }: Row): boolean {
  return seenStep > earliestStep;
}

/** False only where the account is surely not one of the slot's service. */
function hasAccount({ service }: Slot, { account }: Row): boolean {
  return !service.users || account === service || account === 'several' || account === 'unknown';
}

/**
 * Of a slot that another ledger granted any row could be: as likely another's, which would not be counted then. So it
 * gets none until its node has said which.
 */
export function isOurGrant({ earliestStep }: Slot): boolean {
  return Number.isFinite(earliestStep);
}

export function hasAddress({ localAddress }: Slot, { peer }: Row): boolean {
  return peer !== undefined && peer === localAddress;
}

/** When it was first heard of that it had been opened. */
export function openedBy({ openedByMs, closingMs }: Slot): number {
  return openedByMs ?? closingMs;
}

/** The host may be shown by name at one time and by address at another (MySQL), the port never changes. */
export function portOf(peer: string | undefined): string | undefined {
  return peer?.slice(peer.lastIndexOf(':') + 1);
}
