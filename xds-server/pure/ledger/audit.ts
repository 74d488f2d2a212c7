/** Conservation: every counter again from the records themselves, and every pair of references from both sides. */
import { obstacle } from './admission.js';
import { type Books, nowhere, unusedGuarantee, unusedReserve } from './books.js';
import { weightOf } from './crowds.js';
import type { Counts, Service, Slot, Target } from './records.js';
import { eachWaiter, waitersOf } from './waiters.js';

/** @returns every contradiction found, in words. */
export function audit(books: Books): string[] {
  const found: string[] = [];
  const expect = (what: string, is: unknown, should: unknown): void => {
    if (is !== should) found.push(`${what}: is ${String(is)}, should be ${String(should)}`);
  };
  const slots = [...books.slots.values()];
  for (const [id, slot] of books.slots) auditSlot(id, slot, books, expect);
  for (const service of new Set([...books.services.values(), ...slots.map((slot) => slot.service)]))
    auditService(service, slots, books, expect);
  for (const target of books.targets.values()) auditTarget(target, slots, books, expect);
  for (const tenant of new Set([...books.tenants.values(), ...slots.map((slot) => slot.tenant)])) {
    const name = `tenant ${tenant.name}`;
    expect(`${name} used`, tenant.used, slots.filter((slot) => slot.tenant === tenant).length);
    const services = [...books.services.values()].filter((service) => service.tenant === tenant);
    const unjoined = services.reduce((sum, service) => sum + service.unjoined, 0);
    expect(`${name} unjoined`, tenant.unjoined, unjoined);
    const reserves = services.reduce((sum, service) => sum + unusedReserve(service), 0);
    expect(`${name} unused reserves`, tenant.unusedReserves, reserves);
  }
  const queued = [...books.services.values()].reduce((sum, service) => sum + waitersOf(service), 0);
  expect('waiters', books.waiters.size, queued);
  const doors = [...books.services.values()].flatMap((service) => [...service.doors.values()]);
  const timed = [...slots, ...books.waiters.values(), ...books.targets.values(), ...doors].filter(
    (each) => each.timer,
  );
  expect('timers', books.timers.size, timed.length);
  return found;
}

function auditDoors(name: string, service: Service, own: readonly Slot[], expect: Expect): void {
  const doors = [...service.doors.values()];
  const aside = doors.reduce((sum, door) => sum + door.aside.size, 0);
  expect(`${name} aside`, service.aside, aside);
  for (const door of doors) {
    const of = `${name}, door of ${door.source}`;
    expect(`${of} logging in`, door.loggingIn, own.filter((slot) => slot.door === door).length);
    // Somebody must bring them back.
    const isNext = [...service.queue].some(({ source }) => source === door.source);
    if (door.aside.size > 0)
      expect(`${of} opens again`, door.loggingIn > 0 || door.timer !== undefined || isNext, true);
    for (const waiter of door.aside) expect(`door of waiter ${waiter.connection}`, waiter.door, door);
  }
}

function auditCrowds(name: string, service: Service, expect: Expect): void {
  if (!service.crowds) return;
  const waiters = [...eachWaiter(service)];
  const crowds = [...service.crowds.bySource.values()];
  expect(
    `${name} in crowds`,
    crowds.reduce((sum, crowd) => sum + crowd.waiters.size, 0),
    waiters.length,
  );
  expect(`${name} crowds`, service.crowds.largest.size, crowds.length);
  for (const { source, waiters: there, place } of crowds) {
    const of = `${name}, crowd of ${source}`;
    expect(of, there.size, waiters.filter((waiter) => waiter.source === source).length);
    expect(`${of} weighs`, place?.key, -weightOf(service, source));
  }
}

type Expect = (what: string, is: unknown, should: unknown) => void;

function auditSlot(id: string, slot: Slot, books: Books, expect: Expect): void {
  expect(`slot ${id} by its id`, slot.connection, id);
  expect(`slot ${id} waits`, books.waiters.has(id), false);
  expect(`slot ${id} at its target`, slot.target.slots.has(slot), true);
  expect(`slot ${id} among the closing`, slot.target.closing.has(slot), slot.state === 'closing');
  expect(`target of slot ${id}`, books.targets.get(slot.target.name), slot.target);
  expect(`slot ${id} closing for a cause`, slot.cause !== undefined, slot.state === 'closing');
  if (slot.row) {
    expect(`row of slot ${id}`, slot.row.owner, slot);
    expect(`row of slot ${id} in the list`, slot.target.list.rows.has(slot.row), true);
  }
  // An open one must not be forgotten; a closing one is asked for by observe effects.
  if (slot.state !== 'closing') expect(`deadline of slot ${id}`, slot.timer !== undefined, true);
}

function auditService(service: Service, slots: readonly Slot[], books: Books, expect: Expect): void {
  const name = `service ${service.name}`;
  const own = slots.filter((slot) => slot.service === service);
  auditCounts(name, service.counts, own, expect);
  expect(`${name} used`, service.used, own.length);
  expect(`${name} killing`, service.killing, own.filter((slot) => slot.onlyKill).length);
  const here = own.filter((slot) => slot.target === service.target && !slot.onlyKill).length;
  expect(`${name} used here`, service.usedHere, here);
  const rows = [...service.target.list.rows].filter((row) => !row.owner && row.account === service);
  expect(`${name} unjoined`, service.unjoined, rows.length);
  const waits = waitersOf(service) > 0;
  expect(`${name} waits at its target`, service.target.waiting.has(service), waits);
  expect(`${name} waits at its tenant`, service.tenant.waiting.has(service), waits);
  expect(`${name} aside at its target`, service.target.aside.has(service), service.aside > 0);
  if (service.queue.size > 0)
    expect(`${name} waits though nothing holds it`, obstacle(service, books) === undefined, false);
  for (const waiter of eachWaiter(service)) {
    expect(`waiter ${waiter.connection}`, books.waiters.get(waiter.connection), waiter);
    expect(
      `deadline of waiter ${waiter.connection}`,
      waiter.timer?.key,
      waiter.bornMs + service.plan!.timeoutMs,
    );
  }
  auditDoors(name, service, own, expect);
  auditCrowds(name, service, expect);
  if (!service.plan) expect(`${name} kept for nothing`, own.length === 0, false);
}

function auditTarget(target: Target, slots: readonly Slot[], books: Books, expect: Expect): void {
  const name = `target ${target.name}`;
  const own = slots.filter((slot) => slot.target === target);
  auditCounts(name, target.counts, own, expect);
  expect(`${name} used`, target.used, own.length);
  expect(`${name} slots`, target.slots.size, own.length);
  const services = [...books.services.values()].filter((service) => service.target === target);
  const guarantees = services.reduce(
    (sum, service) => sum + unusedGuarantee(service) + unusedReserve(service),
    0,
  );
  expect(`${name} unused guarantees`, target.unusedGuarantees, guarantees);
  const rows = [...target.list.rows].filter((row) => !row.owner);
  expect(`${name} unjoined`, target.unjoined.ours + target.unjoined.people, rows.length);
  expect(
    `${name} unjoined people`,
    target.unjoined.people,
    rows.filter(({ account }) => account === 'none' || account === 'unknown').length,
  );
  for (const row of target.list.rows)
    if (row.owner) expect(`owner of row ${row.serverId}`, row.owner.row, row);
  if (!target.plan && target.name !== nowhere) expect(`${name} kept for nothing`, own.length === 0, false);
}

function auditCounts(name: string, counts: Counts, own: readonly Slot[], expect: Expect): void {
  for (const state of ['granted', 'session', 'closing'] as const)
    expect(`${name} ${state}`, counts[state], own.filter((slot) => slot.state === state).length);
}
