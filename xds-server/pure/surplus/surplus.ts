/**
 * Which idle sessions end when there are more than a limit allows that has shrunk: those that have been idle for longest, of
 * services that allow it (`idle.surplus_ms`), a few a second, and no more than there are too many.
 *
 *   nodes offer who rests ──▶ what is over? ──▶ called, the longest idle first ──▶ each node hears of its own
 *
 * A node ends a session that is called only if it is still at rest. Whoever is not offered any more is on the way out, or has gone to
 * work and gives way.
 */
import type { ConnectionId, NodeId } from '../ledger/events.js';
import type { LedgerView, SessionView } from '../ledger/view.js';
import type { Plan } from '../plan/plan.js';
import { causes, Excess } from './excess.js';

/** A session that rests, as its node says. */
export interface Offer {
  readonly connection: ConnectionId;
  readonly idleMs: number;
}

export interface SurplusSources {
  readonly plan: Plan;
  readonly view: () => LedgerView;
  /** Undefined where it is not known. */
  readonly session: (connection: ConnectionId) => SessionView | undefined;
}

/** Between two choices; nodes ask as often while somebody is called, and else each five seconds. */
const chooseMs = 1_000;
/** An offer counts until its node may have made the next one. */
const offerMs = 7_000;
/** Called anew in one choice, of each target: pools come back for what they lose, and queue. */
const mostAtOnce = 10;
/** Whoever is called has heard of it by then, and ended; of those that are there all the same others go first. */
const patienceMs = 10_000;

/** From the last offer of a session that has ended until its end is reported. */
const endingMs = 3_000;

interface Offers {
  readonly atMs: number;
  readonly list: readonly Offer[];
}

interface Call {
  readonly node: NodeId;
  readonly firstMs: number;
  readonly offeredMs: number;
  /** False: it was called in vain, and is remembered for that. */
  readonly isOn: boolean;
}

interface Idle {
  readonly session: SessionView;
  readonly sinceMs: number;
  readonly offeredMs: number;
  /** At a target that its service has left. */
  readonly isElsewhere: boolean;
}

export class Surplus {
  /** Who asked longest ago first. */
  readonly #offers = new Map<NodeId, Offers>();
  #called: ReadonlyMap<ConnectionId, Call> = new Map();
  #chosenMs = Number.NEGATIVE_INFINITY;

  /**
   * A node asks, and offers what rests there.
   *
   * @returns the sessions of this node that shall end
   */
  of(node: NodeId, list: readonly Offer[], sources: SurplusSources, nowMs: number): readonly ConnectionId[] {
    this.#take(node, list, nowMs);
    if (nowMs - this.#chosenMs >= chooseMs) this.#choose(sources, nowMs);
    return [...this.#called]
      .filter(([, call]) => call.isOn && call.node === node)
      .map(([connection]) => connection);
  }

  #take(node: NodeId, list: readonly Offer[], nowMs: number): void {
    for (const [asker, { atMs }] of this.#offers) {
      if (nowMs - atMs < offerMs) break;
      this.#offers.delete(asker);
    }
    this.#offers.delete(node);
    this.#offers.set(node, { atMs: nowMs, list });
  }

  #choose({ plan, view, session }: SurplusSources, nowMs: number): void {
    this.#chosenMs = nowMs;
    const excess = new Excess(plan, view());
    if (excess.isNone) {
      this.#called = new Map();
      return;
    }
    const idle = this.#idle(plan, session, nowMs);
    const called = new Map<ConnectionId, Call>();
    const left = new Map<string, number>();
    for (const cause of causes)
      for (const { session: each, isElsewhere, offeredMs } of idle) {
        const { connection, node, target } = each;
        const before = this.#called.get(connection);
        const most = left.get(target) ?? mostAtOnce;
        if (called.has(connection) || (!before && most === 0)) continue;
        if (!excess.take(cause, each, isElsewhere)) continue;
        if (!before) left.set(target, most - 1);
        called.set(connection, { node, firstMs: before?.firstMs ?? nowMs, offeredMs, isOn: true });
      }
    for (const { session: each } of idle) {
      const before = this.#called.get(each.connection);
      if (before && isInVain(before, nowMs) && !called.has(each.connection))
        called.set(each.connection, { ...before, isOn: false });
    }
    this.#called = called;
  }

  /** Who is called already, those at a target that was left, the others, who was called in vain; of each the longest idle first. */
  #idle(plan: Plan, session: SurplusSources['session'], nowMs: number): readonly Idle[] {
    const idle: (Idle & { readonly rank: number })[] = [];
    const add = (connection: ConnectionId, node: NodeId, sinceMs: number, offeredMs: number): void => {
      const known = session(connection);
      const service = known && plan.services.get(known.service);
      const surplusMs = service?.limits.surplusMs;
      if (known?.node !== node || known.state !== 'session') return;
      if (surplusMs === undefined || offeredMs - sinceMs < surplusMs) return;
      const before = this.#called.get(connection);
      const isElsewhere = known.target !== service!.target;
      const fresh = isElsewhere ? 1 : 2;
      const rank = before ? (isInVain(before, nowMs) ? 3 : 0) : fresh;
      idle.push({ session: known, sinceMs, offeredMs, isElsewhere, rank });
    };
    const offered = new Set<ConnectionId>();
    for (const [node, { atMs, list }] of this.#offers)
      for (const { connection, idleMs } of list) {
        offered.add(connection);
        add(connection, node, atMs - idleMs, atMs);
      }
    for (const [connection, { node, offeredMs, isOn }] of this.#called)
      if (isOn && !offered.has(connection) && nowMs - offeredMs < endingMs)
        add(connection, node, Number.NEGATIVE_INFINITY, offeredMs);
    return idle.sort((a, b) => a.rank - b.rank || a.sinceMs - b.sinceMs);
  }
}

function isInVain({ firstMs }: Call, nowMs: number): boolean {
  return nowMs - firstMs >= patienceMs;
}
