/**
 * The counting. Each slot counts once against its target, its service and its tenant; each row without an owner once
 * against its target, and against the service whose account it is. Nothing else changes a counter, so that what is
 * free can be read off at any time. Who gets it is decided in admission.ts.
 */
import { Doubt, type DoubtfulSlots, isSurplus } from './doubts.js';
import type { ConnectionId, NodeId } from './events.js';
import { Heap } from './heap.js';
import { newService, newTarget, newTenant } from './new-records.js';
import type {
  ClosingCause,
  Row,
  Service,
  Slot,
  SlotState,
  Target,
  Tenant,
  Timed,
  Waiter,
} from './records.js';

/** The target of connections that nodes report for services and servers that no plan names; nothing is granted there. */
export const nowhere = '';

const nobodys: ReadonlySet<Slot> = new Set();

export class Books {
  readonly slots = new Map<ConnectionId, Slot>();
  readonly #ofNodes = new Map<NodeId, Set<Slot>>();
  readonly waiters = new Map<ConnectionId, Waiter>();
  readonly services = new Map<string, Service>();
  readonly tenants = new Map<string, Tenant>();
  readonly targets = new Map<string, Target>();
  readonly timers = new Heap<Timed>();
  /** Targets by the address of a server, where that names one. */
  servers: ReadonlyMap<string, string> = new Map();
  /** How long anything may be granted. */
  termEndsMs = Number.POSITIVE_INFINITY;
  /** Whether enough of it is left, as of this step. */
  mayGrant = true;
  /** There may be nodes that have not said yet what they have open. */
  unheard = false;
  /** Where something has become free since the waiters were last looked at. */
  readonly freedTargets = new Set<Target>();
  readonly freedTenants = new Set<Tenant>();

  target(name: string): Target {
    let target = this.targets.get(name);
    if (!target) {
      const created = newTarget(name, (row, by) => this.#countRow(created, row, by));
      target = created;
      this.targets.set(name, target);
    }
    return target;
  }

  tenant(name: string): Tenant {
    let tenant = this.tenants.get(name);
    if (!tenant) {
      tenant = newTenant(name);
      this.tenants.set(name, tenant);
    }
    return tenant;
  }

  service(name: string): Service {
    let service = this.services.get(name);
    if (!service) {
      service = newService(name, this.tenant(nowhere), this.target(nowhere));
      this.services.set(name, service);
    }
    return service;
  }

  /** Where a service's connection to this server counts. */
  targetOf(service: Service, remoteAddress: string | undefined): Target {
    const name = remoteAddress === undefined ? undefined : this.servers.get(remoteAddress);
    if (name !== undefined) return this.target(name);
    return service.plan ? service.target : this.target(nowhere);
  }

  /** Of the budget, what may still be given; negative while more is in use than there may be. */
  free(target: Target): number {
    return (target.plan?.budget ?? 0) - target.used - this.unjoinedCounted(target);
  }

  /**
   * What sessions without an owner take from the budget: in full those of the services' accounts, and who was logging in
   * before the ledger could know; of the others what does not fit into the reserve, where the observer's own sessions are
   * too. While it recovers, or nodes are not heard yet: all of them.
   */
  unjoinedCounted({ plan, list, unjoined, recovering }: Target): number {
    const ours = unjoined.ours + list.earlierLogins.length;
    if (recovering || this.unheard || !plan) return ours + unjoined.people;
    return ours + Math.max(0, unjoined.people + list.own - plan.reserve);
  }

  slotsOf(node: NodeId): ReadonlySet<Slot> {
    return this.#ofNodes.get(node) ?? nobodys;
  }

  addSlot(slot: Slot): void {
    this.slots.set(slot.connection, slot);
    const beside = this.#ofNodes.get(slot.node);
    if (beside) beside.add(slot);
    else this.#ofNodes.set(slot.node, new Set([slot]));
    slot.target.slots.add(slot);
    if (slot.state === 'closing') slot.target.closing.add(slot);
    this.#count(slot, 1);
  }

  /** What it had in the session list is the caller's business. */
  removeSlot(slot: Slot): void {
    this.tellApart(slot);
    this.slots.delete(slot.connection);
    const beside = this.#ofNodes.get(slot.node)!;
    beside.delete(slot);
    if (beside.size === 0) this.#ofNodes.delete(slot.node);
    slot.target.slots.delete(slot);
    slot.target.closing.delete(slot);
    this.#count(slot, -1);
    this.schedule(slot, undefined);
    this.freedTargets.add(slot.target);
    // The service's own limit holds it up wherever it is now.
    this.freedTargets.add(slot.service.target);
    this.freedTenants.add(slot.tenant);
    this.#forgetEmpty(slot.service, slot.target);
  }

  setState(slot: Slot, state: SlotState, cause?: ClosingCause): void {
    this.tellApart(slot);
    slot.cause = cause;
    if (slot.state === state) return;
    for (const counts of [slot.target.counts, slot.service.counts]) {
      counts[slot.state]--;
      counts[state]++;
    }
    slot.state = state;
    if (state === 'closing') slot.target.closing.add(slot);
    else slot.target.closing.delete(slot);
  }

  /** The connection turned out to be to another target. */
  moveSlot(slot: Slot, target: Target): void {
    const from = slot.target;
    this.tellApart(slot);
    from.list.release(slot);
    from.slots.delete(slot);
    from.closing.delete(slot);
    this.#count(slot, -1);
    slot.target = target;
    // No list of this one has been looked at for it.
    slot.latestStep = Number.POSITIVE_INFINITY;
    slot.suspects = undefined;
    target.slots.add(slot);
    if (slot.state === 'closing') target.closing.add(slot);
    this.#count(slot, 1);
    this.freedTargets.add(from);
    this.#forgetEmpty(slot.service, from);
  }

  /** How many of the target's closing slots are counted from now on. */
  setDoubts({ closing }: Target, doubts: readonly DoubtfulSlots[]): void {
    for (const slot of closing) {
      slot.doubt?.end();
      slot.doubt = undefined;
    }
    for (const doubtful of doubts) {
      const doubt = new Doubt(doubtful, (slot, by) => this.#count(slot, by));
      for (const slot of doubtful[0]) {
        slot.doubt = doubt;
        this.freedTargets.add(slot.service.target);
        this.freedTenants.add(slot.tenant);
      }
    }
  }

  /** It is one of several no more. */
  tellApart(slot: Slot): void {
    const { doubt, doorDoubt } = slot;
    slot.doubt = slot.doorDoubt = undefined;
    doubt?.tellApart(slot);
    doorDoubt?.tellApart(slot);
  }

  /** All waiters are to be looked at again. */
  freeAll(): void {
    for (const target of this.targets.values()) this.freedTargets.add(target);
    for (const tenant of this.tenants.values()) this.freedTenants.add(tenant);
  }

  /** Counts everything again, after a plan has changed what belongs to what. */
  recount(): void {
    for (const tenant of this.tenants.values()) tenant.used = tenant.unjoined = tenant.unusedReserves = 0;
    for (const target of this.targets.values()) {
      Object.assign(target.counts, { granted: 0, session: 0, closing: 0 });
      target.used = target.unusedGuarantees = target.unjoined.ours = target.unjoined.people = 0;
    }
    for (const service of this.services.values()) {
      Object.assign(service.counts, { granted: 0, session: 0, closing: 0 });
      service.used = service.killing = service.usedHere = service.unjoined = 0;
      service.target.unusedGuarantees += unusedGuarantee(service) + unusedReserve(service);
      service.tenant.unusedReserves += unusedReserve(service);
    }
    for (const slot of this.slots.values()) if (!isSurplus(slot)) this.#count(slot, 1);
    for (const target of this.targets.values())
      for (const row of target.list.rows) if (!row.owner) this.#countRow(target, row, 1);
  }

  #count(slot: Slot, by: 1 | -1): void {
    const { service, tenant, target, state } = slot;
    target.counts[state] += by;
    service.counts[state] += by;
    target.used += by;
    service.used += by;
    tenant.used += by;
    if (slot.onlyKill) this.#share(service, () => (service.killing += by));
    else if (service.target === target) this.#share(service, () => (service.usedHere += by));
  }

  schedule(of: Timed, atMs: number | undefined): void {
    if (of.timer) this.timers.remove(of.timer);
    of.timer = atMs === undefined ? undefined : this.timers.add(of, atMs);
  }

  /** Whatever changes how much a service uses of its guaranteed share and its kill reserve. */
  #share(service: Service, change: () => void): void {
    const [guarantee, reserve] = [unusedGuarantee(service), unusedReserve(service)];
    change();
    const reserveNow = unusedReserve(service);
    service.tenant.unusedReserves += reserveNow - reserve;
    service.target.unusedGuarantees += unusedGuarantee(service) + reserveNow - guarantee - reserve;
  }

  #countRow(target: Target, row: Row, by: 1 | -1): void {
    if (by === 1) row.account = accountOf(row, target);
    else this.freedTargets.add(target);
    const { account } = row;
    if (account === 'none' || account === 'unknown') {
      target.unjoined.people += by;
      return;
    }
    target.unjoined.ours += by;
    if (account === 'several') return;
    account.tenant.unjoined += by;
    this.#share(account, () => {
      account.unjoined += by;
    });
    if (by === -1) this.freedTenants.add(account.tenant);
  }

  dropService(service: Service): void {
    for (const door of service.doors.values()) this.schedule(door, undefined);
    this.services.delete(service.name);
  }

  /** What is no longer planned is kept for its slots only. */
  #forgetEmpty(service: Service, target: Target): void {
    if (!service.plan && service.used === 0) this.dropService(service);
    if (!target.plan && target.slots.size === 0 && target.name !== nowhere) this.targets.delete(target.name);
  }
}

export function unusedGuarantee({ plan, usedHere, unjoined }: Service): number {
  return plan ? Math.max(0, plan.guaranteed - usedHere - unjoined) : 0;
}

export function unusedReserve({ plan, killing }: Service): number {
  return plan ? Math.max(0, plan.killReserve - killing) : 0;
}

function accountOf({ user, isOurs }: Row, { users, hasStrangers, list }: Target): Row['account'] {
  const known = user === undefined ? undefined : users?.get(user);
  if (known) return known;
  // Somebody who logs in: he may be about to become any of them.
  if (isOurs || (users && user === undefined && list.listsLogins)) return 'several';
  return users && user !== undefined && !hasStrangers ? 'none' : 'unknown';
}
