/** Targets, tenants and services of which nothing is known yet but their names. */
import { Heap } from './heap.js';
import type { Service, Target, Tenant } from './records.js';
import { type CountRow, SessionList } from './session-list.js';

/** @param count what rows without an owner add to the counts */
export function newTarget(name: string, count: CountRow): Target {
  return {
    kind: 'target',
    name,
    plan: undefined,
    addresses: undefined,
    counts: { granted: 0, session: 0, closing: 0 },
    used: 0,
    unusedGuarantees: 0,
    slots: new Set(),
    closing: new Set(),
    waiting: new Set(),
    aside: new Set(),
    users: undefined,
    hasStrangers: false,
    list: new SessionList(count),
    unjoined: { ours: 0, people: 0 },
    recovering: true,
    recoverFromMs: Number.POSITIVE_INFINITY,
    problem: undefined,
    grantedMs: Number.NEGATIVE_INFINITY,
    favoured: false,
    timer: undefined,
  };
}

export function newTenant(name: string): Tenant {
  return {
    name,
    max: Number.POSITIVE_INFINITY,
    used: 0,
    unjoined: 0,
    unusedReserves: 0,
    waiting: new Set(),
    grantedMs: Number.NEGATIVE_INFINITY,
  };
}

export function newService(name: string, tenant: Tenant, target: Target): Service {
  return {
    name,
    plan: undefined,
    users: undefined,
    tenant,
    target,
    counts: { granted: 0, session: 0, closing: 0 },
    used: 0,
    killing: 0,
    usedHere: 0,
    unjoined: 0,
    queue: new Heap(),
    doors: new Map(),
    aside: 0,
    crowds: undefined,
    hungryMs: 0,
  };
}
