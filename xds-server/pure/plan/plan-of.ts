import { canonicalHost, parseAddress } from '../spec/ip.js';
import { protocolOf } from '../spec/protocol.js';
import type { DatabaseSpec, ListenerSpec, ServiceSpec, Spec } from '../spec/spec.js';
import { clusterName } from './cluster-name.js';
import type {
  DbRole,
  Endpoint,
  ListenerPlan,
  Plan,
  ServicePlan,
  SessionLimits,
  TargetName,
  TargetPlan,
  TenantPlan,
} from './plan.js';

/** Resolves a spec, as `parseSpec` accepted it, into limits. Total: an accepted spec always has a plan. */
export function planOf(spec: Spec): Plan {
  const databases = Object.entries(spec.databases);
  const targets = databases.flatMap(([name, database]) =>
    (['primary', 'replica'] as const).flatMap((role) => targetOf(name, database, role)),
  );
  const services = Object.entries(spec.services).map(([name, service]) => serviceOf(name, service, spec));
  const tenants = Object.entries(spec.tenants).map(
    ([name, { max_connections: limit }]): TenantPlan => ({
      name,
      ...(limit !== undefined && { maxConnections: limit }),
    }),
  );
  return {
    listeners: byName(Object.entries(spec.listeners).map(([name, each]) => listenerOf(name, each))),
    targets: byName(targets),
    observers: new Map(
      databases.map(([database, { observer }]) => [database, { database, user: observer.user }]),
    ),
    tenants: byName(tenants),
    services: byName(services),
    hostnames: new Map(services.map(({ hostname, name }) => [hostname, name])),
  };
}

export function targetName(database: string, role: DbRole): TargetName {
  return `${database}/${role}`;
}

/** One target, or none in a role that no endpoint has. */
function targetOf(database: string, spec: DatabaseSpec, role: DbRole): TargetPlan[] {
  const endpoints = serversOf(spec, role);
  if (endpoints.length === 0) return [];
  return [
    {
      name: targetName(database, role),
      database,
      role,
      engine: spec.engine,
      ...(spec.version !== undefined && { version: spec.version }),
      endpoints,
      ...(spec.proxy_protocol !== undefined && { proxyProtocol: spec.proxy_protocol }),
      ...tlsOf(spec),
      budget: spec.capacity - spec.reserve,
      reserve: spec.reserve,
    },
  ];
}

function serversOf({ endpoints }: DatabaseSpec, role: DbRole): readonly Endpoint[] {
  const those = endpoints.filter((each) => each.role === role);
  return those.map(({ host, port }) => ({ host: canonicalHost(host), port }));
}

function tlsOf({ tls }: DatabaseSpec): Pick<TargetPlan, 'tls'> {
  if (tls === undefined || tls.mode === 'disable') return {};
  return {
    tls: {
      negotiation: tls.negotiation ?? 'request',
      ...(tls.ca !== undefined && { ca: tls.ca }),
      ...(tls.server_name !== undefined && { serverName: tls.server_name.toLowerCase() }),
    },
  };
}

function serviceOf(name: string, spec: ServiceSpec, { databases }: Spec): ServicePlan {
  const database = databases[spec.database]!;
  const target = targetName(spec.database, spec.db_role);
  const asksForTls = tlsOf(database).tls?.negotiation === 'request';
  return {
    name,
    hostname: spec.hostname.toLowerCase(),
    tenant: spec.tenant,
    target,
    protocol: protocolOf(database.engine),
    cluster: clusterName(name, target, serversOf(database, spec.db_role), asksForTls),
    maxConnections: spec.max_connections,
    guaranteed: spec.guaranteed,
    killReserve: spec.kill_reserve,
    maxQueue: spec.max_queue,
    timeoutMs: spec.timeout_ms,
    priority: spec.priority,
    limits: limitsOf(spec.idle),
    allow: spec.allow,
    ...(spec.certificate && { certificate: spec.certificate }),
  };
}

function limitsOf({
  session_ms,
  transaction_ms,
  age_ms,
  surplus_ms,
}: NonNullable<ServiceSpec['idle']> = {}): SessionLimits {
  return {
    ...(session_ms !== undefined && { idleSessionMs: session_ms }),
    ...(transaction_ms !== undefined && { idleTransactionMs: transaction_ms }),
    ...(age_ms !== undefined && { maxAgeMs: age_ms }),
    ...(surplus_ms !== undefined && { surplusMs: surplus_ms }),
  };
}

function listenerOf(name: string, spec: ListenerSpec): ListenerPlan {
  return {
    name,
    protocol: spec.protocol,
    address: addressOf(spec.address),
    certificate: spec.tls.certificate,
    ...(spec.tls.client_ca !== undefined && { clientCa: spec.tls.client_ca }),
    ...(spec.default_service !== undefined && { defaultService: spec.default_service }),
    ...(spec.proxy_protocol !== undefined && { proxyProtocol: spec.proxy_protocol }),
    allowPlaintext: spec.allow_plaintext,
  };
}

/** @param text as `parseSpec` has accepted it */
function addressOf(text: string): ListenerPlan['address'] {
  const { host, port } = parseAddress(text)!;
  return { host: canonicalHost(host), port };
}

/** In the order of names, so that the order of the text means nothing from here on. */
function byName<T extends { readonly name: string }>(each: readonly T[]): ReadonlyMap<string, T> {
  const ordered = [...each].sort((a, b) => (a.name < b.name ? -1 : 1));
  return new Map(ordered.map((one) => [one.name, one]));
}
