/**
 * A new plan is put over what is there. Limits change at once; nothing that is open is closed or forgotten. What a
 * plan no longer names stays for as long as it has slots, so that it is found again should it come back.
 */
import type { Plan, ServicePlan, TargetPlan } from '../plan/plan.js';
import { type Books, nowhere } from './books.js';
import type { Service, Target, Waiter } from './records.js';

export interface PlanChange {
  /** Of services that are gone: to be refused. They are in no queue any more. */
  readonly orphans: readonly Waiter[];
  /** Targets from which a list must be had before anything is granted. */
  readonly unseen: readonly Target[];
}

/** @param recoverFromMs the earliest question whose answer ends the recovery of a target that is new or other servers. */
export function adoptPlan(books: Books, plan: Plan, recoverFromMs: number): PlanChange {
  const unseen = adoptTargets(books, plan, recoverFromMs);
  for (const tenant of books.tenants.values())
    tenant.max = plan.tenants.get(tenant.name)?.maxConnections ?? Number.POSITIVE_INFINITY;
  const orphans = adoptServices(books, plan);
  adoptUsers(books);
  books.servers = serversOf(plan);
  for (const slot of [...books.target(nowhere).slots])
    books.moveSlot(slot, books.targetOf(slot.service, slot.remoteAddress));
  forgetEmpty(books);
  books.recount();
  for (const target of books.targets.values()) books.freedTargets.add(target);
  for (const tenant of books.tenants.values()) books.freedTenants.add(tenant);
  return { orphans, unseen };
}

/** Servers by address, as far as it is given in numbers and names one target. */
function serversOf(plan: Plan): ReadonlyMap<string, string> {
  const servers = new Map<string, string>();
  const shared = new Set<string>();
  for (const { name, endpoints } of plan.targets.values())
    for (const { host, port } of endpoints) {
      const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
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
    // Nobody asks its servers any more.
    for (const slot of [...target.closing]) books.removeSlot(slot);
  }
  for (const targetPlan of plan.targets.values()) {
    const target = books.target(targetPlan.name);
    const before = target.plan;
    target.plan = targetPlan;
    if (before && sameServers(before, targetPlan)) continue;
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
    service.target.waiting.delete(service);
    service.tenant.waiting.delete(service);
    for (let first = service.queue.first(); first; first = service.queue.first()) {
      service.queue.remove(first);
      books.waiters.delete(first.item.connection);
      books.schedule(first.item, undefined);
      orphans.push(first.item);
    }
  }
  for (const servicePlan of plan.services.values()) {
    const service = books.service(servicePlan.name);
    const timeoutBefore = service.plan?.timeoutMs;
    service.target.waiting.delete(service);
    service.tenant.waiting.delete(service);
    service.plan = servicePlan;
    service.users = usersNamed(servicePlan);
    service.target = books.target(servicePlan.target);
    service.tenant = books.tenant(servicePlan.tenant);
    service.tenant.max = plan.tenants.get(servicePlan.tenant)?.maxConnections ?? Number.POSITIVE_INFINITY;
    if (service.queue.size === 0) continue;
    service.target.waiting.add(service);
    service.tenant.waiting.add(service);
    if (timeoutBefore !== servicePlan.timeoutMs)
      for (const waiter of service.queue) books.schedule(waiter, waiter.bornMs + servicePlan.timeoutMs);
  }
  return orphans;
}

/**
 * Which accounts sessions of a target's services have. A service that is gone or has moved counts for as long as it
 * has slots there; only to one that is planned there, and has an account to itself, a session can be ascribed.
 */
function adoptUsers(books: Books): void {
  const services = new Map<Target, Set<Service>>();
  const add = (target: Target, service: Service): void => {
    services.set(target, (services.get(target) ?? new Set()).add(service));
  };
  for (const service of books.services.values()) if (service.plan) add(service.target, service);
  for (const slot of books.slots.values()) add(slot.target, slot.service);
  for (const target of books.targets.values()) target.users = usersOf(target, services.get(target) ?? []);
}

function usersOf(target: Target, services: Iterable<Service>): Target['users'] {
  const users = new Map<string, Service | 'several'>();
  for (const service of services) {
    // One that admits any user makes it impossible to tell.
    if (!service.users) return undefined;
    const isHere = service.plan !== undefined && service.target === target;
    for (const user of service.users) users.set(user, users.has(user) || !isHere ? 'several' : service);
  }
  return users;
}

function usersNamed({ allow }: ServicePlan): ReadonlySet<string> | undefined {
  const users = new Set<string>();
  for (const { user } of allow) {
    if (user === undefined) return undefined;
    users.add(user);
  }
  return users;
}

function forgetEmpty(books: Books): void {
  for (const service of [...books.services.values()])
    if (!service.plan && service.used === 0) books.services.delete(service.name);
  for (const target of [...books.targets.values()])
    if (!target.plan && target.slots.size === 0 && target.name !== nowhere) books.targets.delete(target.name);
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
