/** All that wait for a service, wherever they stand. */
import type { Service, Waiter } from './records.js';

/** In its queue and aside at its doors. */
export function waitersOf({ queue, aside }: Service): number {
  return queue.size + aside;
}

export function* eachWaiter({ queue, doors }: Service): Iterable<Waiter> {
  yield* queue;
  for (const { aside } of doors.values()) yield* aside;
}
