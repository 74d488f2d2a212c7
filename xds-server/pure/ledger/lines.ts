/** Where the waiters of a service stand: in its queue, or aside at one of its doors. */
import { joinCrowd, leaveCrowd } from './crowds.js';
import type { Door, Service, Waiter } from './records.js';
import { waitersOf } from './waiters.js';

/**
 * Puts a waiter where it is to wait.
 *
 * @param door aside at this one; undefined: in its service's queue
 */
export function line(waiter: Waiter, door: Door | undefined | 'nowhere'): void {
  const { service } = waiter;
  const isNew = !waiter.place;
  if (waiter.place) {
    (waiter.door?.aside ?? service.queue).remove(waiter.place);
    if (waiter.door) service.aside -= 1;
  }
  waiter.place = undefined;
  waiter.door = door === 'nowhere' ? undefined : door;
  if (door === 'nowhere') leaveCrowd(waiter);
  else {
    waiter.place = (door?.aside ?? service.queue).add(waiter, waiter.bornMs);
    if (door) service.aside += 1;
    if (isNew) joinCrowd(waiter);
  }
  markWaiting(service);
}

/** A service is among those of its target and its tenant that have waiters, or not. */
export function markWaiting(service: Service): void {
  const { target, tenant, aside } = service;
  if (waitersOf(service) > 0) {
    target.waiting.add(service);
    tenant.waiting.add(service);
  } else {
    target.waiting.delete(service);
    tenant.waiting.delete(service);
  }
  if (aside > 0) target.aside.add(service);
  else target.aside.delete(service);
}
