/**
 * Who gives way when a service's queue is full. All that wait for it from one source are a crowd, in line or aside at a
 * door. A newcomer is given the place of the youngest of the largest crowd, unless his own would be as large then: nobody
 * takes the queue from others by coming often. A crowd whose last login has failed, and none was accepted since, gives way
 * before all others, whatever its size: so nobody without a password does by coming from many addresses, either.
 *
 *   queue full:  a a a a a a a b b c   +  d   ──▶   a a a a a a b b c d      the youngest a is refused
 *
 * Most queues are never full: crowds are told apart from the first time on that one is, until nobody waits any more.
 */
import { Heap } from './heap.js';
import type { Client, Crowd, Service, Waiter } from './records.js';
import { eachWaiter, waitersOf } from './waiters.js';

/** More than may ever wait. */
const failing = 1e9;

/** @returns whose place the newcomer is to have; undefined: nobody gives way to him. */
export function whoGivesWay({ service, source }: Client): Waiter | undefined {
  const crowds = service.crowds ?? tellApart(service);
  const largest = crowds.largest.first();
  if (!largest || -largest.key <= weightOf(service, source) + 1) return undefined;
  return largest.item.waiters.first()!.item;
}

function tellApart(service: Service): NonNullable<Service['crowds']> {
  service.crowds = { bySource: new Map(), largest: new Heap() };
  for (const waiter of eachWaiter(service)) joinCrowd(waiter);
  return service.crowds;
}

export function joinCrowd(waiter: Waiter): void {
  const { service, source, bornMs } = waiter;
  if (!service.crowds) return;
  const { bySource } = service.crowds;
  const crowd: Crowd = bySource.get(source) ?? { source, waiters: new Heap(), place: undefined };
  bySource.set(source, crowd);
  waiter.crowdPlace = crowd.waiters.add(waiter, -bornMs);
  weigh(service, source);
}

/** He stands nowhere any more. */
export function leaveCrowd({ service, source, crowdPlace }: Waiter): void {
  if (!service.crowds) return;
  service.crowds.bySource.get(source)!.waiters.remove(crowdPlace!);
  if (waitersOf(service) === 0) service.crowds = undefined;
  else weigh(service, source);
}

/** Its size has changed, or what its door knows of its logins. */
export function weigh(service: Service, source: string | undefined): void {
  const crowd = service.crowds?.bySource.get(source);
  if (!service.crowds || !crowd) return;
  const { bySource, largest } = service.crowds;
  if (crowd.place) largest.remove(crowd.place);
  if (crowd.waiters.size === 0) bySource.delete(source);
  else crowd.place = largest.add(crowd, -weightOf(service, source));
}

export function weightOf({ crowds, doors }: Service, source: string | undefined): number {
  const waiters = crowds?.bySource.get(source)?.waiters.size ?? 0;
  const failures = source === undefined ? 0 : (doors.get(source)?.failures ?? 0);
  return failures > 0 ? failing + waiters : waiters;
}
