import type { Plan, ServicePlan, TargetPlan } from '../../xds-server/pure/plan/plan.js';
import type { Random } from './random.js';
import { sketch } from './sketch.js';
import type { Traits } from './traits.js';

export const longestTimeoutMs = 12_000;

/** Targets `t1/primary` …, services `s1` …, tenants `a` and `b`, of which `a` has a limit. */
export function drawPlan(random: Random, traits: Traits): Plan {
  const targets: Record<string, Partial<TargetPlan>> = {};
  for (let i = 1; i <= traits.targets; i++) targets[`t${i}/primary`] = drawTarget(random, i);
  const services: Record<string, Partial<ServicePlan>> = {};
  for (let i = 1; i <= traits.services; i++) services[`s${i}`] = drawService(random, traits, i);
  return sketch({
    targets,
    services: affordable(services, targets),
    tenants: { a: random.between(3, 8), b: undefined },
  });
}

/** One thing about it changes: a budget, a limit, a service that comes, goes, or moves. */
export function redrawPlan(plan: Plan, random: Random, traits: Traits): Plan {
  const targets: Record<string, Partial<TargetPlan>> = Object.fromEntries(plan.targets);
  const services: Record<string, Partial<ServicePlan>> = Object.fromEntries(plan.services);
  const number = random.between(1, traits.services);
  const name = `s${number}`;
  const chosen = services[name];
  const what = random.between(1, 4);
  if (what === 1) {
    const target = random.between(1, traits.targets);
    targets[`t${target}/primary`] = drawTarget(random, target);
  } else if (what === 2 && chosen) delete services[name];
  else if (what === 3 && chosen) services[name] = { ...chosen, maxConnections: random.between(1, 6) };
  else services[name] = drawService(random, traits, number);
  const limit = plan.tenants.get('a')?.maxConnections;
  return sketch({ targets, services: affordable(services, targets), tenants: { a: limit, b: undefined } });
}

function drawTarget(random: Random, number: number): Partial<TargetPlan> {
  return {
    endpoints: [{ host: `10.0.0.${number}`, port: 5432 }],
    budget: random.between(1, 8),
    reserve: random.between(2, 4),
  };
}

/**
 * Always at the same target. What was granted for a service opens wherever its cluster leads by then: one that moved in that
 * moment would put it beyond the budget of the new one.
 */
function drawService(random: Random, traits: Traits, number: number): Partial<ServicePlan> {
  return {
    target: `t${(number % traits.targets) + 1}/primary`,
    tenant: number % 2 === 0 ? 'a' : 'b',
    maxConnections: random.between(1, 6),
    guaranteed: random.between(0, 2),
    killReserve: traits.kills ? random.between(0, 2) : 0,
    maxQueue: random.pick([0, 1, 3, 10]),
    timeoutMs: random.pick([500, 2_000, longestTimeoutMs]),
    priority: random.between(0, 2),
    allow: [
      traits.namesUsers ? { user: traits.sharedUser ? 'app' : `user${number}` } : { cidr: '0.0.0.0/0' },
    ],
  };
}

/** Guaranteed shares and kill reserves within the budget, as a spec must have them, and something left. */
function affordable(
  services: Record<string, Partial<ServicePlan>>,
  targets: Record<string, Partial<TargetPlan>>,
): Record<string, Partial<ServicePlan>> {
  const left = new Map(Object.entries(targets).map(([name, { budget = 0 }]) => [name, budget]));
  return Object.fromEntries(
    Object.entries(services).map(([name, service]) => {
      const there = left.get(service.target!)!;
      const killReserve = Math.max(0, Math.min(service.killReserve!, service.maxConnections! - 1, there - 1));
      const guaranteed = Math.min(
        service.guaranteed!,
        service.maxConnections! - killReserve,
        there - killReserve,
      );
      left.set(service.target!, there - guaranteed - killReserve);
      return [name, { ...service, guaranteed, killReserve }];
    }),
  );
}
