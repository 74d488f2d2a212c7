import type { Draft, Loose } from './draft.js';
import { canonicalHost } from './ip.js';
import { type Finding, shown } from './problem.js';
import { protocolOf } from './protocol.js';
import type { DatabaseSpec } from './spec.js';

/** Each database by itself, and all of them against each other. */
export function databaseFindings({ databases }: Draft): Finding[] {
  const findings: Finding[] = [];
  for (const [name, database] of databases) {
    const { capacity, reserve } = database;
    if (capacity !== undefined && reserve !== undefined && reserve >= capacity)
      findings.push({
        path: ['databases', name, 'reserve'],
        expected: `less than the capacity of ${capacity}`,
        found: `${reserve}`,
        hint: 'what is left is the budget',
      });
    findings.push(
      ...versionFindings(name, database),
      ...primaryFindings(name, database),
      ...tlsFindings(name, database),
    );
  }
  return [...findings, ...mixedVersions(databases), ...sharedServers(databases)];
}

/** Series whose greeting is known (greeting.ts). */
const isKnownSeries = {
  mariadb: (major: number, minor: number) =>
    major === 10 ? minor >= 4 && minor <= 11 : major === 11 && minor <= 8,
  mysql: (major: number, minor: number) => major === 8 && (minor === 0 || minor === 4),
} as const;
const seriesWords = { mariadb: '"10.4" to "10.11" or "11.0" to "11.8"', mysql: '"8.0" or "8.4"' } as const;

function versionFindings(name: string, database: Loose<DatabaseSpec>): Finding[] {
  const { engine, version } = database;
  const path = ['databases', name, 'version'];
  // Absent from the draft: there, but wrong by itself.
  if (engine === undefined || !Object.hasOwn(database, 'version')) return [];
  if (engine === 'postgres') {
    if (version === undefined) return [];
    return [
      { path, expected: 'no version for engine postgres', found: shown(version), hint: 'leave it out' },
    ];
  }
  const expected = seriesWords[engine];
  if (version === undefined)
    return [{ path, expected, found: 'nothing', hint: 'clients are greeted before the server can be asked' }];
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return isKnownSeries[engine](major, minor) ? [] : [{ path, expected, found: shown(version) }];
}

function primaryFindings(name: string, { endpoints }: Loose<DatabaseSpec>): Finding[] {
  if (!endpoints) return [];
  const primaries = endpoints.filter(({ role }) => role === 'primary').length;
  if (primaries === 1) return [];
  const found = primaries === 0 ? 'none' : `${primaries} of them`;
  return [
    { path: ['databases', name, 'endpoints'], expected: 'exactly one endpoint of role primary', found },
  ];
}

/** A field that has no effect in a mode is one that its author counts on in vain. */
function tlsFindings(name: string, { engine, tls, proxy_protocol: header }: Loose<DatabaseSpec>): Finding[] {
  if (!tls) return [];
  const path = (field: string): string[] => ['databases', name, 'tls', field];
  const { mode, ca, negotiation, server_name: serverName } = tls;
  const findings: Finding[] = [];
  const unused = (field: string, value: string | undefined, hint: string): void => {
    if (value !== undefined)
      findings.push({ path: path(field), expected: `none with mode ${mode}`, found: shown(value), hint });
  };
  if (mode === 'verify-full' && ca === undefined)
    findings.push({ path: path('ca'), expected: 'the CA to verify against', found: 'nothing' });
  if (mode === 'require') unused('ca', ca, 'mode require verifies nothing; did you mean verify-full?');
  if (mode === 'disable') {
    const hint = 'mode disable is plaintext; did you mean require or verify-full?';
    unused('ca', ca, hint);
    unused('negotiation', negotiation, hint);
    unused('server_name', serverName, hint);
  }
  // Envoy's transport for the header does not let the one within it change over to TLS (PassthroughSocket, 1.40).
  if (header !== undefined && mode !== undefined && mode !== 'disable' && negotiation !== 'direct')
    findings.push({
      path: ['databases', name, 'proxy_protocol'],
      expected: 'none with TLS that is asked for in the protocol',
      found: shown(header),
      hint: 'Envoy cannot do both; Postgres 17 and newer: negotiation direct',
    });
  if (negotiation === 'direct' && engine !== undefined && engine !== 'postgres')
    findings.push({
      path: path('negotiation'),
      expected: `request for engine ${engine}`,
      found: '"direct"',
      hint: 'only Postgres has TLS from the first byte',
    });
  return findings;
}

/** A MySQL server speaks first, so one greeting must do for all that may be behind a listener. */
function mixedVersions(databases: Draft['databases']): Finding[] {
  const findings: Finding[] = [];
  let first: { name: string; flavour: string } | undefined;
  for (const [name, { engine, version }] of databases) {
    if (!engine || !version || protocolOf(engine) !== 'mysql') continue;
    const flavour = `${engine} ${version.split('.')[0]}`;
    first ??= { name, flavour };
    if (flavour === first.flavour) continue;
    findings.push({
      path: ['databases', name, 'version'],
      expected: `${first.flavour} as in database ${first.name}`,
      found: flavour,
      hint: 'a MySQL listener greets before it knows the client: one engine and major version for all',
    });
  }
  return findings;
}

/** Two budgets for one server would add up to more than it has. */
function sharedServers(databases: Draft['databases']): Finding[] {
  const findings: Finding[] = [];
  const owners = new Map<string, string>();
  for (const [name, { endpoints }] of databases) {
    for (const [i, { host, port }] of (endpoints ?? []).entries()) {
      const server = `${canonicalHost(host)} port ${port}`;
      const owner = owners.get(server);
      owners.set(server, owner ?? name);
      if (owner === undefined) continue;
      const found = `${server}, which ${owner === name ? 'stands here' : `database ${owner} has`} already`;
      findings.push({ path: ['databases', name, 'endpoints', i], expected: 'a server of its own', found });
    }
  }
  return findings;
}
