import type { Draft, Loose } from './draft.js';
import { unknownName } from './nearest.js';
import type { Finding } from './problem.js';
import { protocolOf } from './protocol.js';
import type { ServiceSpec } from './spec.js';

/** Each service against what it names, and all services of a database or tenant against its limit. */
export function serviceFindings(draft: Draft): Finding[] {
  const findings: Finding[] = [];
  for (const [name, service] of draft.services) {
    const found = [
      ...referenceFindings(draft, name, service),
      ...limitFindings(draft, name, service),
      ...reachFindings(draft, name, service),
    ];
    findings.push(...found);
  }
  return [...findings, ...sharedHostnames(draft), ...guaranteedSums(draft)];
}

function referenceFindings(draft: Draft, name: string, service: Loose<ServiceSpec>): Finding[] {
  const { tenant, database, db_role } = service;
  const findings: Finding[] = [];
  const path = (field: string) => ['services', name, field];
  if (tenant !== undefined && !draft.tenants.has(tenant))
    findings.push(unknownName(path('tenant'), 'tenant', tenant, draft.tenants.keys()));
  if (database === undefined) return findings;
  const known = draft.databases.get(database);
  if (!known) findings.push(unknownName(path('database'), 'database', database, draft.databases.keys()));
  const endpoints = known?.endpoints;
  if (db_role === 'replica' && endpoints && !endpoints.some(({ role }) => role === 'replica'))
    findings.push({
      path: path('db_role'),
      expected: `primary, since database ${database} has no replica`,
      found: '"replica"',
    });
  return findings;
}

function limitFindings(draft: Draft, name: string, service: Loose<ServiceSpec>): Finding[] {
  const { max_connections: limit, guaranteed } = service;
  const findings: Finding[] = [];
  const path = (field: string) => ['services', name, field];
  if (limit === undefined) return findings;
  if (guaranteed !== undefined && guaranteed > limit)
    findings.push({
      path: path('guaranteed'),
      expected: `at most its max_connections of ${limit}`,
      found: `${guaranteed}`,
    });
  const budget = budgetOf(draft, service.database);
  if (budget !== undefined && limit > budget)
    findings.push({
      path: path('max_connections'),
      expected: `at most ${budget}, the budget of database ${service.database} (capacity − reserve)`,
      found: `${limit}`,
    });
  const ofTenant = draft.tenants.get(service.tenant ?? '')?.max_connections;
  if (ofTenant !== undefined && limit > ofTenant)
    findings.push({
      path: path('max_connections'),
      expected: `at most ${ofTenant}, the limit of tenant ${service.tenant}`,
      found: `${limit}`,
    });
  return findings;
}

/** A service that nobody can get to is a mistake, not a caution. */
function reachFindings(draft: Draft, name: string, service: Loose<ServiceSpec>): Finding[] {
  const engine = draft.databases.get(service.database ?? '')?.engine;
  const listeners = [...draft.listeners.values()];
  if (!engine || listeners.some(({ protocol }) => protocol === undefined)) return [];
  const protocol = protocolOf(engine);
  const own = listeners.filter((each) => each.protocol === protocol);
  if (own.length === 0) {
    const expected = `a listener of protocol ${protocol} for the engine ${engine}`;
    return [{ path: ['services', name, 'database'], expected, found: 'none' }];
  }
  if (own.some(({ tls }) => tls === undefined || tls.client_ca !== undefined)) return [];
  return (service.allow ?? []).flatMap((entry, i) =>
    entry.principal === undefined
      ? []
      : [
          {
            path: ['services', name, 'allow', i, 'principal'],
            expected: `a listener of protocol ${protocol} with tls.client_ca`,
            found: 'none',
            hint: 'without it no client can prove who it is',
          },
        ],
  );
}

function sharedHostnames({ services }: Draft): Finding[] {
  const findings: Finding[] = [];
  const owners = new Map<string, string>();
  for (const [name, { hostname }] of services) {
    if (hostname === undefined) continue;
    const owner = owners.get(hostname.toLowerCase());
    if (owner === undefined) owners.set(hostname.toLowerCase(), name);
    else
      findings.push({
        path: ['services', name, 'hostname'],
        expected: 'a host name of its own, whatever the case',
        found: `that of service ${owner}`,
      });
  }
  return findings;
}

/** What is promised to all must be there when all ask at once. */
function guaranteedSums(draft: Draft): Finding[] {
  const findings: Finding[] = [];
  const check = (section: 'databases' | 'tenants', of: string, limit: number, shares: [string, number][]) => {
    const sum = shares.reduce((total, [, share]) => total + share, 0);
    if (sum <= limit) return;
    const each = shares.slice(0, 10).map(([name, share]) => `${name} ${share}`);
    findings.push({
      path: [section, of],
      expected: `guaranteed shares of at most ${limit} in all`,
      found: `${sum} (${each.join(', ')}${shares.length > 10 ? ', …' : ''})`,
    });
  };
  const sharesOf = (isOf: (service: Loose<ServiceSpec>) => boolean) =>
    [...draft.services]
      .filter(([, service]) => isOf(service) && (service.guaranteed ?? 0) > 0)
      .map(([name, { guaranteed }]): [string, number] => [name, guaranteed!]);
  for (const name of draft.databases.keys()) {
    const budget = budgetOf(draft, name);
    if (budget === undefined) continue;
    for (const role of ['primary', 'replica'] as const) {
      const isOf = (each: Loose<ServiceSpec>) => each.database === name && each.db_role === role;
      const shares = sharesOf(isOf);
      check('databases', name, budget, shares);
      if (shares.reduce((total, [, share]) => total + share, 0) !== budget) continue;
      for (const [service, each] of draft.services)
        if (isOf(each) && each.guaranteed === 0)
          findings.push({
            path: ['services', service, 'guaranteed'],
            expected: `at least 1, since the shares of the others are all of the budget of ${budget} and it would never be served`,
            found: '0',
          });
    }
  }
  for (const [name, { max_connections: limit }] of draft.tenants)
    if (limit !== undefined)
      check(
        'tenants',
        name,
        limit,
        sharesOf(({ tenant }) => tenant === name),
      );
  return findings;
}

/** Of one server in either role; undefined while the database itself is not sound. */
function budgetOf({ databases }: Draft, name: string | undefined): number | undefined {
  const { capacity, reserve } = databases.get(name ?? '') ?? {};
  return capacity !== undefined && reserve !== undefined && reserve < capacity
    ? capacity - reserve
    : undefined;
}
