import { formatAddress } from '../../xds-server/pure/plan/address.js';
import type { Endpoint, Plan, ServicePlan, TargetPlan } from '../../xds-server/pure/plan/plan.js';
import type { Random } from './random.js';
import { sketch } from './sketch.js';
import type { Traits } from './traits.js';

export const longestTimeoutMs = 12_000;

/** Targets `t1/primary` …, services `s1` …, tenants `a` and `b`, of which `a` has a limit. */
export function drawPlan(random: Random, traits: Traits): Plan {
  const targets: Targets = {};
  for (let i = 1; i <= traits.targets; i++) targets[nameOf(i)] = drawTarget(random, [serverNumber(i)]);
  const services: Services = {};
  for (let i = 1; i <= traits.services; i++)
    services[`s${i}`] = drawService(random, traits, i, nameOf((i % traits.targets) + 1));
  return sketch({
    targets,
    services: affordable(services, targets),
    tenants: { a: random.between(3, 8), b: undefined },
  });
}

type Targets = Record<string, Partial<TargetPlan>>;
type Services = Record<string, Partial<ServicePlan>>;

/** One thing about it changes: a budget, a limit, a service that comes or goes, or where something is. */
export function redrawPlan(plan: Plan, random: Random, traits: Traits): Plan {
  const what = random.between(1, 6);
  if (what > 4) return moveWithin(plan, random, traits);
  const { targets, services } = partsOf(plan);
  const number = random.between(1, traits.services);
  const name = `s${number}`;
  const chosen = services[name];
  const target = nameOf(random.between(1, traits.targets));
  if (what === 1 && targets[target]) targets[target] = drawTarget(random, targets[target].endpoints!);
  else if (what === 2 && chosen) delete services[name];
  else if (what === 3 && chosen) services[name] = { ...chosen, maxConnections: random.between(1, 6) };
  else services[name] = drawService(random, traits, number, random.pick(Object.keys(targets)));
  return put(plan, targets, services);
}

/** A service moves; or a database goes, comes back here or elsewhere, or changes servers with another one. */
export function moveWithin(plan: Plan, random: Random, traits: Traits): Plan {
  const { targets, services } = partsOf(plan);
  const target = nameOf(random.between(1, traits.targets));
  const name = `s${random.between(1, traits.services)}`;
  const what = random.between(1, 4);
  if (what === 1) removeOrRestore(target, targets, services, random, traits);
  else if (what === 2) swapServers(target, random.pick(Object.keys(targets)), targets);
  else if (services[name]) services[name] = { ...services[name], target: random.pick(Object.keys(targets)) };
  return put(plan, targets, services);
}

function partsOf(plan: Plan): { readonly targets: Targets; readonly services: Services } {
  // A cluster's name follows from where it leads.
  const services = [...plan.services].map(([name, { cluster: _, ...service }]) => [name, service] as const);
  return { targets: Object.fromEntries(plan.targets), services: Object.fromEntries(services) };
}

function put(plan: Plan, targets: Targets, services: Services): Plan {
  const limit = plan.tenants.get('a')?.maxConnections;
  return sketch({ targets, services: affordable(services, targets), tenants: { a: limit, b: undefined } });
}

/** The last target stays. Services of one that goes move, or go too. */
function removeOrRestore(
  target: string,
  targets: Targets,
  services: Services,
  random: Random,
  traits: Traits,
): void {
  if (!targets[target]) {
    const taken = new Set(Object.values(targets).map(({ endpoints }) => formatAddress(endpoints![0]!)));
    const free = serversIn(traits).filter((server) => !taken.has(formatAddress(server)));
    targets[target] = drawTarget(random, [random.pick(free)]);
    return;
  }
  if (Object.keys(targets).length === 1) return;
  delete targets[target];
  for (const [name, service] of Object.entries(services)) {
    if (service.target !== target) continue;
    if (random.chance(0.5)) delete services[name];
    else services[name] = { ...service, target: random.pick(Object.keys(targets)) };
  }
}

function swapServers(one: string, other: string, targets: Targets): void {
  const [first, second] = [targets[one], targets[other]];
  if (!first || !second) return;
  targets[one] = { ...first, endpoints: second.endpoints! };
  targets[other] = { ...second, endpoints: first.endpoints! };
}

/** Each target's own, and one to spare. */
export function serversIn({ targets }: Traits): readonly Endpoint[] {
  return Array.from({ length: targets + 1 }, (_, i) => serverNumber(i + 1));
}

export function serverNumber(number: number): Endpoint {
  return { host: `10.0.0.${number}`, port: 5432 };
}

/** Of a target, if it is planned: each has one. */
export function serverOf(plan: Plan, target: string | undefined): string | undefined {
  const endpoint = plan.targets.get(target ?? '')?.endpoints[0];
  return endpoint && formatAddress(endpoint);
}

const byServer = new WeakMap<Plan, ReadonlyMap<string, TargetPlan>>();

/** Whose server that is. */
export function targetAt(plan: Plan, server: string): TargetPlan | undefined {
  let known = byServer.get(plan);
  if (!known) {
    known = new Map([...plan.targets.values()].map((each) => [formatAddress(each.endpoints[0]!), each]));
    byServer.set(plan, known);
  }
  return known.get(server);
}

export function nameOf(target: number): string {
  return `t${target}/primary`;
}

function drawTarget(random: Random, endpoints: readonly Endpoint[]): Partial<TargetPlan> {
  return { endpoints, budget: random.between(1, 8), reserve: random.between(2, 4) };
}

function drawService(random: Random, traits: Traits, number: number, target: string): Partial<ServicePlan> {
  return {
    target,
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
function affordable(services: Services, targets: Targets): Services {
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
