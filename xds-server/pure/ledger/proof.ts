/**
 * Which closing slots does a session list show to be free? Only those of which it is certain: the list was asked for
 * after the slot began to close, would show the session if it lived, and does not.
 *
 * A list may not show a session that lives
 *
 *   while it logs in, where the server lists no logins: so one that is not known to have logged in is waited for as
 *     long as a login may take;
 *   in the moment between the server's kernel and the server: so one that was never listed is waited for by a margin;
 *   by anything that it could be known by (no server id, an address that NAT may have changed): then each row that is
 *     new enough and not surely another's may be it, and as many slots stay as there are such rows. They are counted a
 *     service at a time, because a service's limit must hold whichever of them it is.
 */
import type { Row, Service, Slot, Target } from './records.js';
import { isUncertain, mayBe } from './session-list.js';

/** The earliest question whose answer can prove that a closing slot is free. */
export function provableFromMs(slot: Slot, marginMs: number): number {
  if (slot.listedId !== undefined || slot.serverId !== undefined) return slot.closingMs;
  const { listsLogins, loginTimeoutMs } = slot.target.list;
  const openedByMs = slot.openedByMs ?? slot.closingMs;
  return Math.max(slot.closingMs, openedByMs + (listsLogins ? marginMs : Math.max(marginMs, loginTimeoutMs)));
}

/** The closing slots that the target's list, as it stands, shows to be free. */
export function provenFree(target: Target, marginMs: number): Slot[] {
  const { list } = target;
  const free: Slot[] = [];
  const vague = new Map<Service, Slot[]>();
  for (const slot of target.closing) {
    if (list.askedAtMs <= provableFromMs(slot, marginMs)) continue;
    if (list.isVague(slot)) {
      const others = vague.get(slot.service);
      if (others) others.push(slot);
      else vague.set(slot.service, [slot]);
    } else if (!slot.row && !list.isContested(slot)) free.push(slot);
  }
  if (vague.size > 0) for (const slots of vague.values()) free.push(...surplus(slots, target));
  return free;
}

/** Of one service's slots without a key, those for which no row is left. */
function surplus(slots: readonly Slot[], target: Target): Slot[] {
  const rows = [...target.list.rows].filter(isUncertain).sort((a, b) => b.seenMs - a.seenMs);
  const latestFirst = [...slots].sort((a, b) => b.earliestMs - a.earliestMs);
  // As many as can be matched at most: the latest slot, with the smallest choice of rows, goes first.
  const taken = new Set<Row>();
  let most = 0;
  for (const slot of latestFirst) {
    const row = rows.find((each) => !taken.has(each) && mayBe(slot, each));
    if (!row) continue;
    taken.add(row);
    most++;
  }
  const guessed = slots.filter((slot) => slot.row);
  const rest = latestFirst.filter((slot) => !slot.row).reverse();
  return rest.slice(Math.max(0, most - guessed.length));
}
