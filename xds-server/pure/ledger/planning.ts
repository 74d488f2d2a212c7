/**
 * A new plan is put over what is there. Limits change at once; nothing that is open is closed or forgotten. What a
 * plan no longer names stays for as long as it has slots, so that it is found again should it come back.
 */

import { addressesOf, formatAddress } from '../plan/address.js';
import type { Plan, ServicePlan, TargetPlan } from '../plan/plan.js';
import { type Books, nowhere } from './books.js';
import { line, markWaiting } from './lines.js';
import type { Service, Slot, Target, Waiter } from './records.js';
import { eachWaiter } from './waiters.js';

export interface PlanChange {
  /** Of services that are gone: to be refused. They are in no queue any more. */
  readonly orphans: readonly Waiter[];
  /** Targets from which a list must be had before anything is granted. */
  readonly unseen: readonly Target[];
  /** Closing at targets that nobody asks any more: to be freed. */
  readonly unprovable: readonly Slot[];
}

/**
 * @param recoverFromMs the earliest question whose answer ends the recovery of a target that is new or other servers
 * @param confirmedFromMs the same for a target that has got a server of another one's, to which grants are under way
 */
export function adoptPlan(
  books: Books,
  plan: Plan,
  recoverFromMs: number,
  confirmedFromMs: number,
): PlanChange {
  const unseen = new Set(adoptTargets(books, plan, recoverFromMs));
  for (const tenant of books.tenants.values())
    tenant.max = plan.tenants.get(tenant.name)?.maxConnections ?? Number.POSITIVE_INFINITY;
  const orphans = adoptServices(books, plan);
  books.servers = serversOf(plan);
  for (const slot of [...books.target(nowhere).slots])
    books.moveSlot(slot, books.targetOf(slot.service, slot.remoteAddress));
  // Taken in while nobody knew its service.
  for (const slot of books.slots.values())
    if (slot.tenant.name === nowhere && slot.service.plan) slot.tenant = slot.service.tenant;
  // A server may have another role now.
  for (const slot of books.slots.values()) {
    const address = slot.remoteAddress ?? serverUnderWay(slot);
    const target = address === undefined ? undefined : books.servers.get(address);
    if (target !== undefined && target !== slot.target.name) books.moveSlot(slot, books.target(target));
  }
  adoptUsers(books);
  for (const target of targetsUnderWay(books)) {
    target.recovering = true;
    target.recoverFromMs = Math.max(recoverFromMs, confirmedFromMs);
    unseen.add(target);
  }
  forgetEmpty(books);
  books.recount();
  books.freeAll();
  const unplanned = [...books.targets.values()].filter((target) => !target.plan);
  return { orphans, unseen: [...unseen], unprovable: unplanned.flatMap(({ closing }) => [...closing]) };
}

/** Where a grant leads that was not used yet, as far as is known; undefined: to one of several. */
function serverUnderWay({ openedByMs, servers }: Slot): string | undefined {
  return openedByMs === undefined && servers.length === 1 ? formatAddress(servers[0]!) : undefined;
}

/** Targets that have got a server of another one's, to which a grant may lead that is counted there. */
function targetsUnderWay(books: Books): ReadonlySet<Target> {
  const found = new Set<Target>();
  for (const { state, servers, target } of books.slots.values())
    if (state === 'granted')
      for (const server of servers) {
        const name = books.servers.get(formatAddress(server));
        if (name !== undefined && name !== target.name) found.add(books.target(name));
      }
  return found;
}

/** Servers by address, as far as it is given in numbers and names one target. */
function serversOf(plan: Plan): ReadonlyMap<string, string> {
  const servers = new Map<string, string>();
  const shared = new Set<string>();
  for (const { name, endpoints } of plan.targets.values())
    for (const endpoint of endpoints) {
      const address = formatAddress(endpoint);
      if (servers.has(address)) shared.add(address);
      servers.set(address, name);
    }
  for (const address of shared) servers.delete(address);
  return servers;
}

function adoptTargets(books: Books, plan: Plan, recoverFromMs: number): Target[] {
  const unseen: Target[] = [];
  for (const target of books.targets.values()) {
    if (!target.plan || plan.targets.has(target.name)) continue;
    target.plan = undefined;
    target.recovering = true;
    books.schedule(target, undefined);
  }
  for (const targetPlan of plan.targets.values()) {
    const target = books.target(targetPlan.name);
    const before = target.plan;
    target.plan = targetPlan;
    if (before && sameServers(before, targetPlan)) continue;
    const addresses = addressesOf(targetPlan.endpoints);
    if (areOthers(target.addresses, addresses)) target.list.forget();
    target.addresses = addresses;
    target.recovering = true;
    target.recoverFromMs = recoverFromMs;
    unseen.push(target);
  }
  return unseen;
}

function adoptServices(books: Books, plan: Plan): Waiter[] {
  const orphans: Waiter[] = [];
  for (const service of books.services.values()) {
    if (plan.services.has(service.name)) continue;
    service.plan = undefined;
    for (const waiter of [...eachWaiter(service)].sort((a, b) => a.bornMs - b.bornMs)) {
      line(waiter, 'nowhere');
      books.waiters.delete(waiter.connection);
      books.schedule(waiter, undefined);
      orphans.push(waiter);
    }
  }
  for (const servicePlan of plan.services.values()) {
    const service = books.service(servicePlan.name);
    const timeoutBefore = service.plan?.timeoutMs;
    service.target.waiting.delete(service);
    service.target.aside.delete(service);
    service.tenant.waiting.delete(service);
    service.plan = servicePlan;
    const users = usersNamed(servicePlan);
    // The same set while it says the same: slots that were granted under it are told by it from older ones.
    if (!sameUsers(service.users, users)) service.users = users;
    service.target = books.target(servicePlan.target);
    service.tenant = books.tenant(servicePlan.tenant);
    service.tenant.max = plan.tenants.get(servicePlan.tenant)?.maxConnections ?? Number.POSITIVE_INFINITY;
    markWaiting(service);
    if (timeoutBefore !== servicePlan.timeoutMs)
      for (const waiter of eachWaiter(service)) books.schedule(waiter, waiter.bornMs + servicePlan.timeoutMs);
  }
  return orphans;
}

/**
 * Which accounts sessions of a target's services have. What was granted under another rule, or for a service that is
 * gone or has moved, counts for as long as it has slots; only to a service that is planned there, and has an account to
 * itself, a session can be ascribed.
 */
function adoptUsers(books: Books): void {
  const claims = new Map<Target, Set<Claim>>();
  const add = (target: Target, claim: Claim): void => {
    claims.set(target, (claims.get(target) ?? new Set()).add(claim));
  };
  for (const service of books.services.values())
    if (service.plan) add(service.target, { service, users: service.users });
  for (const { target, service, users } of books.slots.values())
    if (users !== service.users || target !== service.target || !service.plan) add(target, { users });
  // One that nobody has said to be open may be at a server that is another target's by now.
  for (const { target, openedByMs, servers, users } of books.slots.values())
    for (const server of openedByMs === undefined ? servers : []) {
      const name = books.servers.get(formatAddress(server));
      if (name !== undefined && name !== target.name) add(books.target(name), { users });
    }
  for (const target of books.targets.values()) {
    const of = [...(claims.get(target) ?? [])];
    target.users = usersOf(of);
    target.hasStrangers = of.some(({ users }) => users === undefined);
  }
}

/** Accounts that sessions of a target may have; `service` where they are a planned one's today. */
interface Claim {
  readonly service?: Service;
  readonly users: ReadonlySet<string> | undefined;
}

function usersOf(claims: Iterable<Claim>): Target['users'] {
  const known = new Map<string, Service | 'several'>();
  for (const { service, users } of claims) {
    // Where any user is admitted it is impossible to tell.
    if (!users && service) return undefined;
    for (const user of users ?? []) known.set(user, known.has(user) ? 'several' : (service ?? 'several'));
  }
  return known;
}

function usersNamed({ allow }: ServicePlan): ReadonlySet<string> | undefined {
  const users = new Set<string>();
  for (const { user } of allow) {
    if (user === undefined) return undefined;
    users.add(user);
  }
  return users;
}

function sameUsers(one: Service['users'], other: Service['users']): boolean {
  if (!one || !other) return one === other;
  return one.size === other.size && [...one].every((user) => other.has(user));
}

function forgetEmpty(books: Books): void {
  for (const service of [...books.services.values()])
    if (!service.plan && service.used === 0) books.dropService(service);
  for (const target of [...books.targets.values()])
    if (!target.plan && target.slots.size === 0 && target.name !== nowhere) books.targets.delete(target.name);
  for (const service of books.services.values())
    if (books.targets.get(service.target.name) !== service.target) service.target = books.target(nowhere);
  const tenants = new Set([...books.services.values()].map(({ tenant }) => tenant));
  for (const { tenant } of books.slots.values()) tenants.add(tenant);
  for (const tenant of [...books.tenants.values()])
    if (!tenants.has(tenant)) books.tenants.delete(tenant.name);
}

function sameServers(one: TargetPlan, other: TargetPlan): boolean {
  return (
    one.endpoints.length === other.endpoints.length &&
    one.endpoints.every(({ host, port }, i) => {
      const there = other.endpoints[i]!;
      return there.host === host && there.port === port;
    })
  );
}

/** False where they are not known: the same server may be among them. */
function areOthers(before: Target['addresses'], now: Target['addresses']): boolean {
  return before !== undefined && now !== undefined && [...now].every((address) => !before.has(address));
}
