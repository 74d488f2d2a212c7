/**
 * Which closing slots does a session list show to be free? Only those of which it is certain: the list was asked for
 * after the slot began to close, would show the session if it lived, and does not.
 *
 * A list may not show a session that lives
 *
 *   while it logs in, where the server lists no logins: so one that is not known to have logged in is waited for as
 *     long as a login may take;
 *   in the moment between the server's kernel and the server: so one that was never listed is waited for by a margin;
 *   by anything that it could be known by (no server id, an address that NAT may have changed): then it may be any row
 *     that was there in time and is not surely another's, and stays as long as there is one. Of several such slots and
 *     one row each stays: which of them it is may still come out, and their services' limits hold whichever it is.
 */

import { isUncertain, mayBe, openedBy } from './claims.js';
import type { Slot, Target } from './records.js';

/** The earliest question whose answer can prove that a closing slot is free. */
export function provableFromMs(slot: Slot, marginMs: number): number {
  if (slot.listedId !== undefined || slot.serverId !== undefined) return slot.closingMs;
  const { listsLogins, loginTimeoutMs } = slot.target.list;
  return Math.max(
    slot.closingMs,
    openedBy(slot) + (listsLogins ? marginMs : Math.max(marginMs, loginTimeoutMs)),
  );
}

/**
 * The closing slots that the target's list shows to be free.
 *
 * @param step in which the list was received
 */
export function provenFree(target: Target, marginMs: number, step: number): Slot[] {
  const { list } = target;
  const due = [...target.closing].filter((slot) => list.askedAtMs > provableFromMs(slot, marginMs));
  for (const slot of due) slot.latestStep = Math.min(slot.latestStep, step);
  const uncertain = due.some((slot) => list.isVague(slot)) ? [...list.rows].filter(isUncertain) : [];
  return due.filter((slot) =>
    list.isVague(slot)
      ? !uncertain.some((row) => mayBe(slot, row))
      : slot.row === undefined && !list.isContested(slot, marginMs),
  );
}
