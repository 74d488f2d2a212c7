/**
 * Which row of a session list is a slot's? A claim is the stronger the surer it is:
 *
 *   id        the server id as its node has reported it, at one of the target's servers as far as these are known
 *   address   its node's own address, while its id is not reported; more so the row that it was joined to before
 *   guess     it has no key yet that the list could show, and nothing speaks against it
 *
 * and of two equal ones the slot's that has the address too, or that is open while the other is closing, or that was opened
 * last: pids and ports are used again, and only when they are free.
 * Only an id makes a row that was there before the grant a slot's own, and nothing one that came after a list which
 * would have shown it.
 */
import { isAddress } from '../plan/address.js';
import type { Row, Slot } from './records.js';

/** The claim that leaves no doubt. */
export const certain = 3;

/** Closing slots that each end is compared with. Where there are more, as after a cut, its row waits for the next list. */
const mostCompared = 1_000;

/** 0: no better than a guess. */
export function strength(slot: Slot, row: Row): number {
  if (isTooLate(slot, row) || !hasAccount(slot, row)) return 0;
  if (slot.serverId !== undefined) {
    if (slot.serverId !== row.serverId || isDoubtful(slot, row)) return 0;
    return isWeak(slot) ? 1 : certain;
  }
  if (!hasAddress(slot, row) || !isOurGrant(slot) || isTooEarly(slot, row)) return 0;
  return slot.listedId === row.serverId ? 2 : 1;
}

/** An order for each row: what counts is said of each slot by itself, so that no three go round. */
export function isStronger(one: Slot, other: Slot, row: Row): boolean {
  const by = strength(one, row) - strength(other, row);
  if (by !== 0) return by > 0;
  const byAddress = Number(hasAddress(one, row)) - Number(hasAddress(other, row));
  if (byAddress !== 0) return byAddress > 0;
  const byState = Number(one.state === 'session') - Number(other.state === 'session');
  return byState > 0 || (byState === 0 && openedBy(one) > openedBy(other));
}

/**
 * Whether it is certain that the row is the one's, and that the other, which is closing, is gone: the server gave its id
 * to one that was granted later, or was still reported open later.
 */
export function isSuccessor(one: Slot, other: Slot, row: Row, marginMs: number): boolean {
  // Each server gives its own ids.
  if (strength(one, row) < certain || one.remoteAddress !== other.remoteAddress) return false;
  // A report of one that is over may come late, and his id be the other's by then.
  if (hasAddress(other, row) && !hasAddress(one, row)) return false;
  return (
    one.earliestStep > other.closingStep ||
    (one.state === 'session' && wasOpenBehind(one, other.closingMs, marginMs))
  );
}

/**
 * Whether a row has no owner, or one that may as well own another. An id is the owner's for as long as his session lives: he
 * who has not been reported open since the row was first seen may have been over by then, and his id somebody else's. Where
 * the row has his address too it is his.
 */
export function isUncertain(row: Row, marginMs: number): boolean {
  const { owner, seenMs } = row;
  if (!owner || strength(owner, row) < certain) return true;
  return !hasAddress(owner, row) && !wasOpenBehind(owner, seenMs, marginMs);
}

/** Whether its node has said that it was open then, and later. The first report of one that was closing says nothing. */
function wasOpenBehind({ reportedMs, reopenedMs }: Slot, ms: number, marginMs: number): boolean {
  return reportedMs > Math.max(ms, reopenedMs) + marginMs;
}

/**
 * Whether a row is surely none of those sessions that had come to the only server there is by a certain time: it has the id of one
 * that was granted later. A server takes in who comes in their order, and gives nobody an id that somebody has.
 */
export function cameBehind(row: Row, arrivedMs: number): boolean {
  const { owner } = row;
  return owner !== undefined && owner.grantedMs > arrivedMs && strength(owner, row) === certain;
}

/**
 * Whether its owner's row may as well be that of another one, which is closing: where he has its address, one that has it too, or
 * that nothing is known of, while his id is not: a port is used again as soon as it is free.
 */
export function isDisputed(row: Row, owner: Slot): boolean {
  const byAddress = hasAddress(owner, row);
  const { closing } = owner.target;
  if ((!byAddress && isWeak(owner)) || closing.size > mostCompared) return true;
  for (const other of closing) {
    if (other === owner) continue;
    const isToldApart = owner.serverId !== undefined || other.localAddress !== undefined;
    if (byAddress && isToldApart && !hasAddress(other, row)) continue;
    if (other.serverId === undefined ? mayBe(other, row) : strength(other, row) > 0) return true;
  }
  return false;
}

/**
 * Whether a row has the id of a slot of which that is not sure, and the account of another service. It may be either's: both
 * count.
 */
export function isDoubtful(slot: Slot, row: Row): boolean {
  const isAnothers = typeof row.account === 'object' && row.account !== slot.service;
  return isAnothers && !slot.isSure && slot.serverId === row.serverId && !hasAddress(slot, row);
}

/** Whether nothing that is known speaks against it. */
export function mayBe(slot: Slot, row: Row): boolean {
  return row.seenStep > slot.earliestStep && !isTooLate(slot, row) && hasAccount(slot, row);
}

/** Whether its id is no proof that a row is its own. */
export function isWeak(slot: Slot): boolean {
  return !slot.isSure || isElsewhere(slot);
}

/** At a server that its target has no more, or that no plan names: its id there says nothing of the target's list. */
function isElsewhere({ remoteAddress, target }: Slot): boolean {
  return remoteAddress !== undefined && target.addresses?.has(remoteAddress) === false;
}

/** It was there before the slot was granted. */
export function isTooEarly({ earliestStep }: Slot, { begunStep, seenStep }: Row): boolean {
  return (begunStep ?? seenStep) <= earliestStep;
}

/** It came after a list that would have shown it as a session, or as logging in. */
function isTooLate({ latestStep, suspects }: Slot, { seenStep, serverId }: Row): boolean {
  return seenStep > latestStep && !suspects?.has(serverId);
}

/** False only where the account is surely not one that the slot's service admitted. */
function hasAccount({ service, users }: Slot, { account }: Row): boolean {
  return !users || account === service || account === 'several' || account === 'unknown';
}

/** Those for which that is so; undefined: all. */
export function accountsOf({ service, users }: Slot): readonly Row['account'][] | undefined {
  return users && [service, 'several', 'unknown'];
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

/**
 * Whether two rows of one id, in one list and the next, are the same session. A host may be shown by address at first
 * and by name later (MySQL), or not at all during login; a port never changes, nor does an address become another.
 */
export function isSameSession(one: string | undefined, other: string | undefined): boolean {
  if (one === other || one === undefined || other === undefined) return true;
  return portOf(one) === portOf(other) && !(isAddress(one) && isAddress(other));
}

export function portOf(peer: string): string {
  return peer.slice(peer.lastIndexOf(':') + 1);
}
