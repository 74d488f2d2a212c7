/**
 * Which closing slots does a session list show to be free? Only those of which it is certain: the list was asked for
 * after the slot began to close, would show the session if it lived, and does not.
 *
 * A list may not show a session that lives
 *
 *   while it logs in, where the server lists no logins: so one that is not known to have logged in is waited for as
 *     long as a login may take, or until the queue before the server is known to have passed (below);
 *   in the moment between the server's kernel and the server: so one that was never listed is waited for by a margin;
 *   by anything that it could be known by (no server id, an address that NAT may have changed): then it may be any row
 *     that was there in time and is not surely another's, and stays as long as there is one. Of several such slots and
 *     one row each stays: which of them it is may still come out. One of them counts (doubts.ts).
 *
 * A server takes in connections in the order in which they came. One that was dialled when all that the slot's node had
 * sent was there is let in after the slot's; what was taken in before it shows as logging in a moment later
 * (`loginStartMs`), because nothing but the server's own work is between. So of a list that is asked for then the slot's
 * session is a row, one of those who log in (a suspect), or over:
 *
 *   closing ── margin ──▶ arrived ── dialled ── let in ── loginStartMs ──▶ asked: no row, and each suspect gone ──▶ free
 */

import { cameBehind, isUncertain, openedBy } from './claims.js';
import { Doubts } from './doubts.js';
import type { Slot, Target } from './records.js';
import type { LedgerSettings } from './settings.js';
import { UncertainRows } from './uncertain-rows.js';

type Margins = Pick<LedgerSettings, 'marginMs' | 'loginStartMs' | 'queueMs'>;

export interface Question {
  /** When the next question is wanted, */
  readonly fromMs: number;
  /** and when another one, should that settle nothing. */
  readonly otherwiseMs: number;
  /** It is also for those who log in, over a connection that was dialled later than this. */
  readonly dialledAfterMs?: number;
}

/** The question that may bring a closing slot nearer to its proof. */
export function nextQuestion(slot: Slot, settings: Margins, nowMs: number): Question {
  const { plan, list, unjoined } = slot.target;
  const bySilenceMs = provableFromMs(slot, settings);
  const arrived = arrivedMs(slot, settings.marginMs);
  const otherwise = { fromMs: bySilenceMs, otherwiseMs: bySilenceMs };
  if (bySilenceMs <= Math.max(arrived, nowMs) || !plan || plan.proxyProtocol) return otherwise;
  const hasPassed = list.logins !== undefined && list.logins.dialledMs > arrived;
  // The observer's second connection is in the reserve too.
  if (!hasPassed && unjoined.people + list.own >= plan.reserve) return otherwise;
  const passedMs = hasPassed ? list.logins!.letInMs + settings.loginStartMs : arrived;
  return { fromMs: Math.min(passedMs, bySilenceMs), otherwiseMs: bySilenceMs, dialledAfterMs: arrived };
}

/** The earliest question whose answer proves that a closing slot is free, whoever logs in. */
function provableFromMs(slot: Slot, { marginMs, queueMs }: Margins): number {
  const { listedId, serverId, identifiedMs } = slot;
  if (listedId !== undefined) return slot.closingMs;
  // Before its id was told it may still have been logging in.
  if (serverId !== undefined) return Math.max(slot.closingMs, identifiedMs);
  const { listsLogins, loginTimeoutMs } = slot.target.list;
  const arrived = arrivedMs(slot, marginMs);
  if (listsLogins) return arrived;
  // Whoever was logging in had a process by then, whenever he came.
  const startedMs = slot.suspects ? slot.suspectedMs : openedBy(slot) + queueMs;
  return Math.max(arrived, startedMs + loginTimeoutMs);
}

/** From when on all that a closing slot's node has sent to the server has come there. */
function arrivedMs(slot: Slot, marginMs: number): number {
  // A grant that nobody has used was over a margin ago: while news of its use was waited for, its session came there too.
  if (slot.cause === 'unconfirmed') return slot.closingMs;
  return Math.max(slot.closingMs, openedBy(slot) + marginMs);
}

/** Whether the slot's session, if it lives, is in the list or among those who log in. */
function isShown(slot: Slot, { marginMs, loginStartMs }: Margins): boolean {
  const { plan, list } = slot.target;
  // A proxy may hold on to a connection for as long as it likes, and let others overtake it.
  if (!list.logins || plan?.proxyProtocol) return false;
  const { dialledMs, letInMs } = list.logins;
  return dialledMs > arrivedMs(slot, marginMs) && list.askedAtMs > letInMs + loginStartMs;
}

export interface Proof {
  readonly free: readonly Slot[];
  /** Undefined where the list says nothing new of that. */
  readonly doubts: Doubts | undefined;
}

/**
 * What the target's list shows of its closing slots.
 *
 * @param step in which the list was received
 */
export function proof(target: Target, settings: Margins, step: number): Proof {
  const { list } = target;
  const free: Slot[] = [];
  if (target.closing.size === 0) return { free, doubts: undefined };
  const { marginMs } = settings;
  const doubts = new Doubts(list, rows);
  let uncertain: UncertainRows | undefined;
  let lastMs: number | undefined;
  let alive: Map<ReadonlySet<number>, boolean> | undefined;
  for (const slot of target.closing) {
    const isOverdue = list.askedAtMs > provableFromMs(slot, settings);
    if (!isOverdue && !isShown(slot, settings)) continue;
    if (!isOverdue && slot.latestStep > step) {
      slot.suspects = list.loggingIn;
      slot.suspectedMs = list.receivedAtMs;
    }
    slot.latestStep = Math.min(slot.latestStep, step);
    const isVague = list.isVague(slot);
    const logsIn = !isOverdue && slot.suspects !== undefined && isAnyAlive(slot.suspects);
    const isContested = list.isContested(slot, marginMs);
    // It is told from all others by what it has, or may have: it counts.
    if (!isVague && (slot.row || isContested)) continue;
    if (logsIn || (isVague && rows().haveOneFor(slot))) doubts.add(slot);
    else if (!isContested) free.push(slot);
  }
  const says = list.listsLogins || list.logins !== undefined;
  return { free, doubts: says ? doubts : undefined };

  function rows(): UncertainRows {
    uncertain ??= new UncertainRows(
      [...list.rows].filter((row) => isUncertain(row, marginMs) && !cameBehind(row, allArrivedMs())),
      list.sightings,
    );
    return uncertain;
  }

  /** When the last of those had come to the server of whom nobody knows which rows are theirs. */
  function allArrivedMs(): number {
    // Through a proxy, or to one server and another, who goes first may come last.
    if (target.plan?.proxyProtocol || target.addresses?.size !== 1) return Number.POSITIVE_INFINITY;
    lastMs ??= [...target.closing]
      .filter((slot) => list.isVague(slot))
      .reduce((latestMs, slot) => Math.max(latestMs, arrivedMs(slot, marginMs)), Number.NEGATIVE_INFINITY);
    return lastMs;
  }

  /** Asked once for all slots that have the same suspects. */
  function isAnyAlive(suspects: ReadonlySet<number>): boolean {
    const known = alive?.get(suspects);
    if (known !== undefined) return known;
    const found = [...suspects].some((id) => list.loggingIn.has(id));
    alive ??= new Map();
    alive.set(suspects, found);
    return found;
  }
}
