/** What status, metrics and lists show of a ledger. Nothing here changes anything; ages count from the last step. */
import type { TargetName } from '../plan/plan.js';
import { type Obstacle, obstacle } from './admission.js';
import { type Books, nowhere } from './books.js';
import { strength } from './claims.js';
import type { ConnectionId, NodeId, ServerId } from './events.js';
import type { ClosingCause, Counts, Service, Slot, SlotState, Target, Waiter } from './records.js';
import { waitersOf } from './waiters.js';

/** How many of the two lists to show; none unless asked for. Counts are complete in any case. */
export interface ViewOptions {
  readonly sessions?: number;
  readonly waiters?: number;
}

export interface Usage {
  /** granted + session + closing: slots taken. */
  readonly used: number;
  readonly granted: number;
  readonly sessions: number;
  readonly closing: number;
  readonly waiters: number;
}

export interface TargetView extends Usage {
  readonly name: TargetName;
  /** False: the plan does not name it any more, and it is kept for its sessions. */
  readonly planned: boolean;
  readonly budget: number;
  readonly reserve: number;
  /** Of the budget, what may still be given, guaranteed shares included; negative after a cut. */
  readonly free: number;
  /** Sessions in the database's list, and logins that it hides, that belong to no slot; the observer's own left aside. */
  readonly unjoined: number;
  /** What these take from the budget. */
  readonly unjoinedCounted: number;
  /** Nothing is granted before its sessions have been counted. */
  readonly recovering: boolean;
  /** Since the last session list was received; undefined before the first. */
  readonly observedAgeMs: number | undefined;
  /** Why it cannot be asked for its sessions; meanwhile closing slots stay counted. */
  readonly problem: string | undefined;
}

export interface ServiceView extends Usage {
  readonly name: string;
  readonly planned: boolean;
  readonly target: TargetName;
  readonly tenant: string;
  readonly limit: number;
  readonly guaranteed: number;
  /** Of `used`, at the target that it has now, and not for KILL alone. */
  readonly usedHere: number;
  /** Sources that are logging in, or failed to lately. */
  readonly doors: number;
  /** Of its longest waiter; 0 without one. */
  readonly longestWaitMs: number;
  /** What a client that came now would wait for; undefined: nothing. */
  readonly heldBy: Obstacle | undefined;
}

export interface TenantView {
  readonly name: string;
  /** Undefined: it has none of its own. */
  readonly limit: number | undefined;
  readonly used: number;
  readonly waiters: number;
}

export interface SessionView {
  readonly connection: ConnectionId;
  readonly service: string;
  /** Where it counts: what the service's was when it was let in. */
  readonly tenant: string;
  readonly target: TargetName;
  readonly node: NodeId;
  readonly state: SlotState;
  /** Why it is closing. */
  readonly cause: ClosingCause | undefined;
  /** Since the client's birth on its node, or since it was first heard of. */
  readonly ageMs: number;
  readonly serverId: ServerId | undefined;
  /** Whether the database's last list shows it. */
  readonly listed: boolean;
  /** Account that it has in that list; absent where that does not show it, or not its account, or its row is a guess. */
  readonly user?: string;
}

export interface WaiterView {
  readonly connection: ConnectionId;
  readonly service: string;
  readonly target: TargetName;
  readonly node: NodeId;
  readonly priority: number;
  readonly waitedMs: number;
  readonly timeoutMs: number;
  /** Where it comes from (Client); absent where that is not known. */
  readonly source?: string;
}

export interface LedgerView {
  readonly targets: ReadonlyMap<TargetName, TargetView>;
  readonly services: ReadonlyMap<string, ServiceView>;
  readonly tenants: ReadonlyMap<string, TenantView>;
  readonly sessionCount: number;
  readonly waiterCount: number;
  /** The oldest first, as many as asked for. */
  readonly sessions: readonly SessionView[];
  readonly waiters: readonly WaiterView[];
}

export function viewOf(books: Books, nowMs: number, { sessions = 0, waiters = 0 }: ViewOptions): LedgerView {
  const targets = [...books.targets.values()].filter(({ name, used }) => name !== nowhere || used > 0);
  return {
    targets: new Map(targets.map((target) => [target.name, targetView(target, books, nowMs)])),
    services: mapped(books.services, (service) => serviceView(service, books, nowMs)),
    tenants: mapped(books.tenants, ({ name, max, used, waiting }) => ({
      name,
      limit: Number.isFinite(max) ? max : undefined,
      used,
      waiters: allWaiters(waiting),
    })),
    sessionCount: books.slots.size,
    waiterCount: books.waiters.size,
    sessions: first(books.slots.values(), sessions, (slot) => sessionView(slot, nowMs)),
    waiters: first(books.waiters.values(), waiters, (waiter) => waiterView(waiter, nowMs)),
  };
}

function targetView(target: Target, books: Books, nowMs: number): TargetView {
  const { name, plan, list, unjoined, recovering, problem } = target;
  return {
    name,
    planned: plan !== undefined,
    budget: plan?.budget ?? 0,
    reserve: plan?.reserve ?? 0,
    ...usage(target, target.used, allWaiters(target.waiting)),
    free: books.free(target),
    unjoined: unjoined.ours + unjoined.people + list.earlierLogins.length,
    unjoinedCounted: books.unjoinedCounted(target),
    recovering,
    observedAgeMs: Number.isFinite(list.receivedAtMs) ? nowMs - list.receivedAtMs : undefined,
    problem,
  };
}

function serviceView(service: Service, books: Books, nowMs: number): ServiceView {
  const { name, plan, target, tenant } = service;
  return {
    name,
    planned: plan !== undefined,
    target: target.name,
    tenant: tenant.name,
    limit: plan?.maxConnections ?? 0,
    guaranteed: plan?.guaranteed ?? 0,
    usedHere: service.usedHere,
    ...usage(service, service.used, waitersOf(service)),
    doors: service.doors.size,
    longestWaitMs: longestWaitMs(service, nowMs),
    heldBy: plan && obstacle(service, books),
  };
}

function usage({ counts }: { readonly counts: Counts }, used: number, waiters: number): Usage {
  return { used, granted: counts.granted, sessions: counts.session, closing: counts.closing, waiters };
}

export function sessionView(slot: Slot, nowMs: number): SessionView {
  const { connection, service, tenant, target, node, state, cause, serverId, row } = slot;
  return {
    connection,
    service: service.name,
    tenant: tenant.name,
    target: target.name,
    node,
    state,
    cause,
    ageMs: nowMs - slot.bornMs,
    serverId,
    listed: row !== undefined,
    ...(row?.user !== undefined && strength(slot, row) > 0 && { user: row.user }),
  };
}

function waiterView({ connection, service, node, bornMs, source }: Waiter, nowMs: number): WaiterView {
  return {
    connection,
    service: service.name,
    target: service.target.name,
    node,
    priority: service.plan!.priority,
    waitedMs: nowMs - bornMs,
    timeoutMs: service.plan!.timeoutMs,
    ...(source !== undefined && { source }),
  };
}

function longestWaitMs({ queue, doors }: Service, nowMs: number): number {
  let bornMs = queue.first()?.key ?? nowMs;
  for (const { aside } of doors.values()) bornMs = Math.min(bornMs, aside.first()?.key ?? nowMs);
  return nowMs - bornMs;
}

function allWaiters(services: Iterable<Service>): number {
  let sum = 0;
  for (const service of services) sum += waitersOf(service);
  return sum;
}

function mapped<Value, View>(
  of: ReadonlyMap<string, Value>,
  view: (value: Value) => View,
): Map<string, View> {
  return new Map([...of].map(([name, value]) => [name, view(value)]));
}

function first<Value, View>(of: Iterable<Value>, most: number, view: (value: Value) => View): View[] {
  const views: View[] = [];
  for (const value of of) {
    if (views.length >= most) break;
    views.push(view(value));
  }
  return views;
}
