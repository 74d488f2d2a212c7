/** Conservation: every counter again from the records themselves, and every pair of references from both sides. */
import { obstacle } from './admission.js';
import { type Books, nowhere, unusedGuarantee, unusedReserve } from './books.js';
import { weightOf } from './crowds.js';
import { isSurplus } from './doubts.js';
import type { Counts, Service, Slot, Target } from './records.js';
import { eachWaiter, waitersOf } from './waiters.js';

/** @returns every contradiction found, in words. */
export function audit(books: Books): string[] {
  const found: string[] = [];
  const expect: Expect = (kind, name, what, is, should) => {
    if (is !== should) found.push(`${kind} ${name} ${what}: is ${String(is)}, should be ${String(should)}`);
  };
  const slots = [...books.slots.values()];
  const services = [...books.services.values()];
  for (const [id, slot] of books.slots) auditSlot(id, slot, books, expect);
  for (const service of withThoseOf(services, slots, 'service')) auditService(service, slots, books, expect);
  for (const target of books.targets.values()) auditTarget(target, slots, services, expect);
  for (const tenant of withThoseOf(books.tenants.values(), slots, 'tenant')) {
    const { name, used } = tenant;
    expect(
      'tenant',
      name,
      'used',
      used,
      count(slots, (slot) => slot.tenant === tenant && !isSurplus(slot)),
    );
    let [unjoined, reserves] = [0, 0];
    for (const service of services)
      if (service.tenant === tenant) {
        unjoined += service.unjoined;
        reserves += unusedReserve(service);
      }
    expect('tenant', name, 'unjoined', tenant.unjoined, unjoined);
    expect('tenant', name, 'unused reserves', tenant.unusedReserves, reserves);
  }
  auditWhole(books, services, expect);
  return found;
}

/** Also those that nothing but a slot remembers. */
function withThoseOf<Key extends 'service' | 'tenant'>(
  all: Iterable<Slot[Key]>,
  slots: readonly Slot[],
  key: Key,
): Set<Slot[Key]> {
  const found = new Set(all);
  for (const slot of slots) found.add(slot[key]);
  return found;
}

function auditWhole(books: Books, services: readonly Service[], expect: Expect): void {
  let [waiters, timers] = [0, 0];
  for (const each of [books.slots, books.waiters, books.targets])
    for (const { timer } of each.values()) if (timer) timers += 1;
  for (const service of services) {
    waiters += waitersOf(service);
    for (const { timer } of service.doors.values()) if (timer) timers += 1;
  }
  expect('ledger', 'as a whole', 'waiters', books.waiters.size, waiters);
  expect('ledger', 'as a whole', 'timers', books.timers.size, timers);
}

function auditDoors(service: Service, own: readonly Slot[], expect: Expect): void {
  let aside = 0;
  for (const door of service.doors.values()) {
    aside += door.aside.size;
    const name = `of ${door.source} to ${service.name}`;
    expect(
      'door',
      name,
      'logging in',
      door.loggingIn,
      count(own, (slot) => slot.door === door && !slot.doorDoubt?.isSurplus(slot)),
    );
    // Somebody must bring them back.
    const isNext = [...service.queue].some(({ source }) => source === door.source);
    if (door.aside.size > 0)
      expect('door', name, 'opens again', door.loggingIn > 0 || door.timer !== undefined || isNext, true);
    for (const waiter of door.aside) expect('waiter', waiter.connection, 'at its door', waiter.door, door);
  }
  expect('service', service.name, 'aside', service.aside, aside);
}

function auditCrowds(service: Service, expect: Expect): void {
  const { name, crowds } = service;
  if (!crowds) return;
  const waiters = [...eachWaiter(service)];
  let inCrowds = 0;
  for (const { source, waiters: there, place } of crowds.bySource.values()) {
    inCrowds += there.size;
    const crowd = `of ${source} at ${name}`;
    expect(
      'crowd',
      crowd,
      'waiters',
      there.size,
      waiters.filter((waiter) => waiter.source === source).length,
    );
    expect('crowd', crowd, 'weighs', place?.key, -weightOf(service, source));
  }
  expect('service', name, 'in crowds', inCrowds, waiters.length);
  expect('service', name, 'crowds', crowds.largest.size, crowds.bySource.size);
}

/** Put into words only where it is not so: most of it always is. */
type Expect = (kind: string, name: string, what: string, is: unknown, should: unknown) => void;

function auditSlot(id: string, slot: Slot, books: Books, expect: Expect): void {
  const { target, row, state, cause, timer, doubt } = slot;
  expect('slot', id, 'by its id', slot.connection, id);
  expect('slot', id, 'waits', books.waiters.has(id), false);
  expect('slot', id, 'at its target', target.slots.has(slot), true);
  expect('slot', id, 'of its node', books.slotsOf(slot.node).has(slot), true);
  expect('slot', id, 'among the closing', target.closing.has(slot), state === 'closing');
  expect('slot', id, 'target', books.targets.get(target.name), target);
  expect('slot', id, 'closing for a cause', cause !== undefined, state === 'closing');
  if (row) {
    expect('slot', id, 'owner of its row', row.owner, slot);
    expect('slot', id, 'row in the list', target.list.rows.has(row), true);
  }
  if (doubt) expect('slot', id, 'in doubt while closing', state, 'closing');
  // Somebody who counts has its place.
  if (isSurplus(slot)) {
    const beside = [...target.closing].filter((other) => other.doubt === doubt);
    expect('slot', id, 'all of its doubt surplus', beside.every(isSurplus), false);
  }
  // An open one must not be forgotten; a closing one is asked for by observe effects.
  if (state !== 'closing') expect('slot', id, 'deadline', timer !== undefined, true);
}

function auditService(service: Service, slots: readonly Slot[], books: Books, expect: Expect): void {
  const { name, target, tenant, plan } = service;
  const all = slots.filter((slot) => slot.service === service);
  const own = all.filter((slot) => !isSurplus(slot));
  auditCounts('service', name, service.counts, own, expect);
  expect('service', name, 'used', service.used, own.length);
  let [killing, usedHere, unjoined] = [0, 0, 0];
  for (const slot of own)
    if (slot.onlyKill) killing += 1;
    else if (slot.target === target) usedHere += 1;
  for (const { owner, account } of target.list.rows) if (!owner && account === service) unjoined += 1;
  expect('service', name, 'killing', service.killing, killing);
  expect('service', name, 'used here', service.usedHere, usedHere);
  expect('service', name, 'unjoined', service.unjoined, unjoined);
  const waits = waitersOf(service) > 0;
  expect('service', name, 'waits at its target', target.waiting.has(service), waits);
  expect('service', name, 'waits at its tenant', tenant.waiting.has(service), waits);
  expect('service', name, 'aside at its target', target.aside.has(service), service.aside > 0);
  if (service.queue.size > 0)
    expect('service', name, 'waits though nothing holds it', obstacle(service, books) === undefined, false);
  for (const waiter of eachWaiter(service)) {
    const { connection, timer, bornMs } = waiter;
    expect('waiter', connection, 'by its id', books.waiters.get(connection), waiter);
    expect('waiter', connection, 'deadline', timer?.key, bornMs + plan!.timeoutMs);
  }
  auditDoors(service, all, expect);
  auditCrowds(service, expect);
  if (!plan) expect('service', name, 'kept for nothing', own.length === 0, false);
}

function auditTarget(
  target: Target,
  slots: readonly Slot[],
  services: readonly Service[],
  expect: Expect,
): void {
  const { name, list, plan } = target;
  const all = slots.filter((slot) => slot.target === target);
  const own = all.filter((slot) => !isSurplus(slot));
  auditCounts('target', name, target.counts, own, expect);
  expect('target', name, 'used', target.used, own.length);
  expect('target', name, 'slots', target.slots.size, all.length);
  let [guarantees, unjoined, people] = [0, 0, 0];
  for (const service of services)
    if (service.target === target) guarantees += unusedGuarantee(service) + unusedReserve(service);
  expect('target', name, 'unused guarantees', target.unusedGuarantees, guarantees);
  for (const row of list.rows)
    if (row.owner) expect('row', String(row.serverId), 'of its owner', row.owner.row, row);
    else {
      unjoined += 1;
      if (row.account === 'none' || row.account === 'unknown') people += 1;
    }
  expect('target', name, 'unjoined', target.unjoined.ours + target.unjoined.people, unjoined);
  expect('target', name, 'unjoined people', target.unjoined.people, people);
  if (!plan && name !== nowhere) expect('target', name, 'kept for nothing', all.length === 0, false);
}

function auditCounts(kind: string, name: string, counts: Counts, own: readonly Slot[], expect: Expect): void {
  for (const state of states)
    expect(
      kind,
      name,
      state,
      counts[state],
      count(own, (slot) => slot.state === state),
    );
}

const states = ['granted', 'session', 'closing'] as const;

function count(slots: readonly Slot[], isOne: (slot: Slot) => boolean): number {
  let found = 0;
  for (const slot of slots) if (isOne(slot)) found += 1;
  return found;
}
