/** What a client is told that is not granted: which limit, how full. The sentences are in the table of refusals. */
import {
  type Fullness,
  limitRefusal,
  noLeader,
  type Refusal,
  refusals,
  type Waited,
} from '../verdict/refusals.js';
import type { Obstacle } from './admission.js';
import type { Books } from './books.js';
import type { Doors } from './doors.js';
import type { Door, Service, Target } from './records.js';

/** A client that came and found neither a slot nor a place in the queue. */
export function refusedAtOnce(service: Service, held: Obstacle, books: Books): Refusal {
  const { maxQueue } = service.plan!;
  const why = 'too many clients wait for it already';
  if (held === 'leaderless') return refusals.not_ready({ what: noLeader.what, why });
  if (held === 'recovering') return refusals.not_ready({ what: subject(service.target), why });
  const full = fullness(service, held, books);
  return maxQueue === 0 ? limitRefusal(full) : refusals.queue_full({ service: service.name, maxQueue, full });
}

/** A client whose place somebody else has got, from an address with fewer (crowds.ts). */
export function refusedCrowded({ name, plan }: Service, waited: Waited): Refusal {
  return refusals.queue_full({ service: name, maxQueue: plan!.maxQueue, waited });
}

/** Whether there would be a slot were there fewer sessions. */
export const isForFullness = ({ reason }: Refusal): boolean => reason !== 'not_ready';

/** A client whose time is up. */
export function refusedLate(service: Service, held: Obstacle, waited: Waited, books: Books): Refusal {
  if (held === 'leaderless') return refusals.not_ready({ ...noLeader, waited });
  if (held !== 'recovering') return refusals.wait_timeout(fullness(service, held, books), waited);
  const { target } = service;
  const why =
    target.problem === undefined ? 'its sessions are being counted' : 'its sessions cannot be counted';
  return refusals.not_ready({ what: subject(target), why, waited });
}

/** A client by whose door nobody comes in now. @param waited absent: there is no place to wait, either */
export function refusedAside(door: Door, doors: Doors, waited?: Waited): Refusal {
  const { service, failures } = door;
  const facts = { service: service.name, ...(waited && { waited }) };
  return doors.isShut(door)
    ? refusals.login_limit({ ...facts, failures })
    : refusals.login_limit({ ...facts, atOnce: doors.width(door) });
}

function fullness(
  service: Service,
  held: Exclude<Obstacle, 'leaderless' | 'recovering'>,
  books: Books,
): Fullness {
  const { plan, target, tenant } = service;
  if (held === 'service')
    return {
      limit: 'service',
      name: service.name,
      used: service.used + service.unjoined,
      max: plan!.maxConnections,
      kept: plan!.killReserve > 0,
    };
  if (held === 'tenant')
    return {
      limit: 'tenant',
      name: tenant.name,
      used: tenant.used + tenant.unjoined,
      max: tenant.max,
      kept: tenant.unusedReserves > 0,
    };
  return {
    limit: held,
    name: databaseName(target),
    used: target.used + books.unjoinedCounted(target),
    max: target.plan!.budget,
  };
}

const subject = (target: Target): string => `database "${databaseName(target)}"`;

/** Its primary goes by the database's own name. */
function databaseName({ name, plan }: Target): string {
  return plan?.role === 'primary' ? plan.database : name;
}
