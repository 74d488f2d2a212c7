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
  const { max_connections: limit, guaranteed, kill_reserve: reserve = 0 } = service;
  const findings: Finding[] = [];
  const path = (field: string) => ['services', name, field];
  const engine = draft.databases.get(service.database ?? '')?.engine;
  if (reserve > 0 && engine && protocolOf(engine) !== 'mysql')
    findings.push({
      path: path('kill_reserve'),
      expected: `0, since ${engine} clients cancel without a connection of their own`,
      found: `${reserve}`,
    });
  if (limit === undefined) return findings;
  if (reserve >= limit && reserve > 0)
    findings.push({
      path: path('kill_reserve'),
      expected: `less than its max_connections of ${limit}`,
      found: `${reserve}`,
    });
  else if (guaranteed !== undefined && guaranteed > limit - reserve)
    findings.push({
      path: path('guaranteed'),
      expected:
        reserve === 0
          ? `at most its max_connections of ${limit}`
          : `at most ${limit - reserve}, its max_connections − kill_reserve`,
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
      expected: `guaranteed shares and kill reserves of at most ${limit} in all`,
      found: `${sum} (${each.join(', ')}${shares.length > 10 ? ', …' : ''})`,
    });
  };
  const sharesOf = (isOf: (service: Loose<ServiceSpec>) => boolean) =>
    [...draft.services]
      .map(([name, each]): [string, number] => [name, isOf(each) ? keptFor(each) : 0])
      .filter(([, share]) => share > 0);
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
  for (const [name, { max_connections: limit }] of draft.tenants) {
    if (limit === undefined) continue;
    const isOf = ({ tenant }: Loose<ServiceSpec>): boolean => tenant === name;
    check('tenants', name, limit, sharesOf(isOf));
    const own = [...draft.services.values()].filter(isOf);
    const reserves = own.reduce((sum, { kill_reserve: reserve = 0 }) => sum + reserve, 0);
    if (reserves === limit)
      findings.push({
        path: ['tenants', name, 'max_connections'],
        expected: `more than ${reserves}, the kill reserves of its services, or nobody would ever be served`,
        found: `${limit}`,
      });
  }
  return findings;
}

/** What nobody else may use. */
function keptFor({ guaranteed = 0, kill_reserve: reserve = 0 }: Loose<ServiceSpec>): number {
  return guaranteed + reserve;
}

/** Of one server in either role; undefined while the database itself is not sound. */
function budgetOf({ databases }: Draft, name: string | undefined): number | undefined {
  const { capacity, reserve } = databases.get(name ?? '') ?? {};
  return capacity !== undefined && reserve !== undefined && reserve < capacity
    ? capacity - reserve
    : undefined;
}
