/**
 * Which idle sessions end when there are more than a limit allows that has shrunk: those that have been idle for longest, of
 * services that allow it (`idle.surplus_ms`), a few a second, and no more than there are too many.
 *
 *   nodes ask ──▶ who is over? ──▶ who is idle for long enough, the longest first ──▶ called ──▶ each node hears of its own
 *
 * A node ends a session that is called only if it is still at rest; whoever is called in vain is called no more.
 */
import type { ActivityView } from '../activity/activity-book.js';
import type { ConnectionId, NodeId } from '../ledger/events.js';
import type { LedgerView, SessionView, ViewOptions } from '../ledger/view.js';
import type { Plan, ServicePlan } from '../plan/plan.js';
import { Excess } from './excess.js';

export interface SurplusSources {
  readonly plan: Plan;
  readonly view: (options?: ViewOptions) => LedgerView;
  readonly activity: (connection: ConnectionId) => ActivityView | undefined;
}

/** Between two choices; a node asks as often. */
const chooseMs = 1_000;
/** Called in one choice, of each target: pools come back for what they lose, and queue. */
const mostAtOnce = 10;
/** A node that has not asked for so long is not there to end anything. */
const askingMs = 5_000;
/** Who is called has had the time to end and to be reported. */
const patienceMs = 10_000;
/** Sessions that are looked at for one choice. */
const mostSessions = 10_000;
/** Nodes that are remembered, and sessions that were called in vain. */
const mostRemembered = 20_000;

interface Call {
  readonly node: NodeId;
  readonly calledMs: number;
}

export class Surplus {
  readonly #asked = new Map<NodeId, number>();
  readonly #called = new Map<ConnectionId, Call>();
  readonly #deaf = new Set<ConnectionId>();
  #chosenMs = Number.NEGATIVE_INFINITY;

  /**
   * A node asks.
   *
   * @returns the sessions of this node that shall end; the longest idle first
   */
  of(node: NodeId, sources: SurplusSources, nowMs: number): readonly ConnectionId[] {
    this.#asked.delete(node);
    this.#asked.set(node, nowMs);
    if (this.#asked.size > mostRemembered) this.#asked.delete(this.#asked.keys().next().value!);
    if (nowMs - this.#chosenMs >= chooseMs) this.#choose(sources, nowMs);
    return [...this.#called].filter(([, call]) => call.node === node).map(([connection]) => connection);
  }

  #choose({ plan, view, activity }: SurplusSources, nowMs: number): void {
    this.#chosenMs = nowMs;
    const excess = new Excess(view());
    if (excess.isNone) {
      this.#called.clear();
      this.#deaf.clear();
      return;
    }
    const open = view({ sessions: mostSessions }).sessions.filter(({ state }) => state === 'session');
    const idle = idleOf(open, plan, activity);
    this.#forget(idle, excess, nowMs);
    const left = new Map<string, number>();
    for (const { session } of idle) {
      const { connection, node, target } = session;
      const most = left.get(target) ?? mostAtOnce;
      if (most === 0 || !this.#mayCall(session, nowMs) || !excess.take(session)) continue;
      left.set(target, most - 1);
      this.#called.set(connection, { node, calledMs: nowMs });
    }
  }

  /** Who was called and still rests is on the way out, until the time for that is over. */
  #forget(idle: readonly Idle[], excess: Excess, nowMs: number): void {
    const byId = new Map(idle.map(({ session }) => [session.connection, session]));
    for (const [connection, { calledMs }] of this.#called) {
      const session = byId.get(connection);
      const isInTime = nowMs - calledMs < patienceMs;
      // Where others have gone meanwhile, it may stay.
      if (session && isInTime && excess.take(session)) continue;
      this.#called.delete(connection);
      if (session && !isInTime && this.#deaf.size < mostRemembered) this.#deaf.add(connection);
    }
  }

  #mayCall({ connection, node }: SessionView, nowMs: number): boolean {
    if (this.#called.has(connection) || this.#deaf.has(connection)) return false;
    return nowMs - (this.#asked.get(node) ?? Number.NEGATIVE_INFINITY) <= askingMs;
  }
}

interface Idle {
  readonly session: SessionView;
  readonly forMs: number;
}

/** Those that rest for as long as their service says, the longest first. */
function idleOf(
  open: readonly SessionView[],
  plan: Plan,
  activity: SurplusSources['activity'],
): readonly Idle[] {
  const idle: Idle[] = [];
  for (const session of open) {
    const surplusMs = surplusMsOf(plan.services.get(session.service), session);
    if (surplusMs === undefined) continue;
    const { state, forMs } = activity(session.connection) ?? {};
    if (state === 'idle' && forMs !== undefined && forMs >= surplusMs) idle.push({ session, forMs });
  }
  return idle.sort((a, b) => b.forMs - a.forMs);
}

/** Undefined where its sessions are not called; those at a server that the service has left end by themselves. */
function surplusMsOf(service: ServicePlan | undefined, { target }: SessionView): number | undefined {
  return service?.target === target ? service.limits.surplusMs : undefined;
}
