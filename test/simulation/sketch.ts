/** Plans in few words, for tests of what reads a plan: say what matters, the rest is ordinary. */
import { clusterName } from '../../xds-server/pure/plan/cluster-name.js';
import type { Plan, ServicePlan, TargetPlan, TenantPlan } from '../../xds-server/pure/plan/plan.js';

export interface PlanSketch {
  /** By target name; `orders/primary` with a budget of 10 and a reserve of 2 unless said otherwise. */
  readonly targets?: Readonly<Record<string, Partial<TargetPlan>>>;
  /** max_connections by tenant. */
  readonly tenants?: Readonly<Record<string, number | undefined>>;
  readonly services: Readonly<Record<string, Partial<ServicePlan>>>;
}

export function sketch({ targets = { 'orders/primary': {} }, tenants = {}, services }: PlanSketch): Plan {
  const planned = new Map(Object.entries(targets).map(([name, target]) => [name, targetPlan(name, target)]));
  const servicePlans = Object.entries(services).map(([name, service]) => servicePlan(name, service, planned));
  return {
    listeners: new Map(),
    targets: planned,
    observers: new Map(),
    tenants: new Map(Object.entries(tenants).map(([name, limit]) => [name, tenantPlan(name, limit)])),
    services: new Map(servicePlans.map((service) => [service.name, service])),
    hostnames: new Map(servicePlans.map((service) => [service.hostname, service.name])),
  };
}

function targetPlan(name: string, given: Partial<TargetPlan>): TargetPlan {
  const [database, role] = name.split('/') as [string, TargetPlan['role']];
  return {
    name,
    database,
    role,
    engine: 'postgres',
    endpoints: [{ host: '10.0.0.5', port: 5432 }],
    budget: 10,
    reserve: 2,
    ...given,
  };
}

function servicePlan(
  name: string,
  given: Partial<ServicePlan>,
  targets: ReadonlyMap<string, TargetPlan>,
): ServicePlan {
  const { target = 'orders/primary' } = given;
  return {
    name,
    hostname: `${name}.db.example.com`,
    tenant: 'shop',
    target,
    protocol: 'postgres',
    cluster: clusterName(name, target, targets.get(target)?.endpoints ?? [], false),
    maxConnections: 10,
    guaranteed: 0,
    killReserve: 0,
    maxQueue: 100,
    timeoutMs: 5_000,
    priority: 0,
    limits: {},
    allow: [{ cidr: '0.0.0.0/0' }],
    ...given,
  };
}

function tenantPlan(name: string, limit: number | undefined): TenantPlan {
  return limit === undefined ? { name } : { name, maxConnections: limit };
}
