/**
 * A real database together with what a spec says of it. The server's own max_connections is the budget and the
 * reserve, and the reserve is what the observer and the harness's own session take: there is room for not one session
 * more. If Sluice overshot, the database would say so.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Certificate } from './certificates.js';
import { MariaDb, type MariaDbAccount } from './mariadb.js';
import { MySql, type MySqlAccount } from './mysql.js';
import { Postgres, type PostgresAccount } from './postgres.js';
import type { PostgresVersion } from './postgres-programs.js';
import { scratchFolder } from './scratch.js';
import type { SpecInput } from './spec-file.js';

type DatabaseInput = SpecInput['databases'][string];

/** Account of the observer in every database of the harness; not counted among a service's sessions. */
export const observer = 'sluice_observer';
export const observerPassword = 'watches only';

/** The observer's connection, and the session by which the harness asks the database. */
const leastReserve = 2;

export interface ProtectedOptions<Account> {
  /** Sessions that clients may have, all together. */
  readonly budget: number;
  readonly accounts: readonly Account[];
  /** Databases in the server. */
  readonly databases: readonly string[];
  /** Where it listens; one of the test's own by default. */
  readonly port?: number;
  /** The server offers TLS with it. */
  readonly certificate?: Certificate;
  /** Further server settings. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

export interface Protected<Server> {
  readonly server: Server;
  /** Its entry below `databases:`. */
  readonly input: DatabaseInput;
  readonly budget: number;
}

export async function protectedPostgres(
  name: string,
  {
    budget,
    accounts,
    reserve = leastReserve,
    ...options
  }: ProtectedOptions<PostgresAccount> & {
    readonly version?: PostgresVersion;
    /**
     * With 3 the observer may dial a second time, to know when the queue before the server has passed. While it does not
     * there is room for one session more: who looks for those has to count them himself.
     */
    readonly reserve?: number;
  },
): Promise<Protected<Postgres>> {
  const server = await Postgres.start({
    ...options,
    name,
    maxConnections: budget + reserve,
    accounts: [...accounts, { name: observer, password: observerPassword, memberOf: ['pg_monitor'] }],
  });
  return { server, budget, input: { engine: 'postgres', ...rest(name, server, budget, reserve) } };
}

/** @param options.budget at least 8: MariaDB allows no fewer than 10 sessions. */
export async function protectedMariaDb(
  name: string,
  { budget, accounts, ...options }: ProtectedOptions<MariaDbAccount>,
): Promise<Protected<MariaDb>> {
  const server = await MariaDb.start({
    ...options,
    name,
    maxConnections: budget + leastReserve,
    accounts: [...accounts, { name: observer, password: observerPassword, globalPrivileges: ['PROCESS'] }],
  });
  return { server, budget, input: { engine: 'mariadb', version: '10.11', ...rest(name, server, budget) } };
}

/** For the optional suite; the observer's account is one whose login needs no TLS. */
export async function protectedMySql(
  name: string,
  { budget, accounts, ...options }: ProtectedOptions<MySqlAccount>,
): Promise<Protected<MySql>> {
  const watcher = {
    ...{ name: observer, password: observerPassword, globalPrivileges: ['PROCESS'] },
    plugin: 'mysql_native_password' as const,
  };
  const server = await MySql.start({
    ...options,
    name,
    maxConnections: budget + leastReserve,
    accounts: [...accounts, watcher],
  });
  return { server, budget, input: { engine: 'mysql', version: '8.0', ...rest(name, server, budget) } };
}

function rest(
  name: string,
  server: { readonly host: string; readonly port: number },
  budget: number,
  reserve: number = leastReserve,
) {
  const password = path.join(scratchFolder(`${name}-observer`), 'password');
  writeFileSync(password, observerPassword, { mode: 0o600 });
  return {
    endpoints: [{ host: server.host, port: server.port }],
    capacity: budget + reserve,
    reserve,
    observer: { user: observer, password: { file: password } },
  };
}
