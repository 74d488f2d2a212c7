/**
 * The same work on two ways to the same server: straight to it, and through Sluice. What comes of it must be the
 * same.
 */
import path from 'node:path';
import type { MariaDb, MariaDbOptions } from '../../harness/mariadb.js';
import type { Postgres } from '../../harness/postgres.js';
import { protectedMariaDb, protectedPostgres } from '../../harness/protected-database.js';
import { hostnameOf, Sluice } from '../../harness/sluice.js';
import type { Login } from '../clients/conversation.js';
import { type Environment, type Finished, runProgram } from '../run-program.js';

/** A way to the server; without `ca` it has no TLS. */
export type Way = Omit<Login, 'ca' | 'direct'> & {
  readonly ca?: string;
  /** Of the processes that go this way. */
  readonly environment: Environment;
};

export interface Sides<Server> {
  readonly server: Server;
  readonly sluice: Sluice;
  /** Both ways to one of the databases. */
  readonly to: (database: string) => { readonly direct: Way; readonly through: Way };
}

const account = { user: 'ann', password: 'correct horse' };
const budget = 20;

/** A Postgres whose databases belong to the account that works in them. */
export async function postgresSides(databases: readonly string[]): Promise<Sides<Postgres>> {
  const orders = await protectedPostgres('orders', {
    ...{ budget, databases },
    accounts: [{ name: account.user, password: account.password }],
    settings: { shared_buffers: '128MB', max_wal_size: '4GB' },
  });
  for (const database of databases) {
    await orders.server.query(`ALTER DATABASE "${database}" OWNER TO ${account.user}`);
  }
  const sluice = await Sluice.start({
    databases: { orders },
    services: { checkout: { database: 'orders', max_connections: budget } },
  });
  return sidesOf(orders.server, sluice, 'checkout', sluice.ports.pg);
}

export async function mariaDbSides(
  databases: readonly string[],
  settings: MariaDbOptions['settings'] = {},
): Promise<Sides<MariaDb>> {
  const reports = await protectedMariaDb('reports', {
    ...{ budget, databases, settings },
    accounts: [{ name: account.user, password: account.password }],
  });
  const sluice = await Sluice.start({
    databases: { reports },
    services: { dashboard: { database: 'reports', max_connections: budget } },
    // Debian's command-line clients and sysbench send no name.
    listeners: { mysql: { default_service: 'dashboard' } },
  });
  return sidesOf(reports.server, sluice, 'dashboard', sluice.ports.mysql);
}

function sidesOf<Server extends { readonly host: string; readonly port: number }>(
  server: Server,
  sluice: Sluice,
  service: string,
  port: number,
): Sides<Server> {
  const { ca } = sluice.certificates;
  return {
    ...{ server, sluice },
    to: (database) => ({
      direct: { ...account, database, host: server.host, port: server.port, environment: {} },
      through: {
        ...{ ...account, database, host: hostnameOf(service), port, ca },
        environment: sluice.clientEnvironment,
      },
    }),
  };
}

/** Environment of libpq's programs. */
export function libpqOf(way: Way): Environment {
  return {
    ...way.environment,
    ...{ PGHOST: way.host, PGPORT: String(way.port), PGUSER: way.user, PGPASSWORD: way.password },
    PGDATABASE: way.database,
    ...(way.ca === undefined
      ? { PGSSLMODE: 'disable' }
      : { PGSSLMODE: 'verify-full', PGSSLROOTCERT: way.ca }),
  };
}

/** Arguments of MariaDB's programs, the database left out; the password is in `mariadbEnvironment`. */
export function mariadbArguments(way: Way): readonly string[] {
  return [
    ...['--no-defaults', '--protocol=tcp'],
    ...[`--host=${way.host}`, `--port=${way.port}`, `--user=${way.user}`],
    ...(way.ca === undefined ? [] : [`--ssl-ca=${way.ca}`, '--ssl-verify-server-cert']),
  ];
}

export function mariadbEnvironment(way: Way): Environment {
  return { ...way.environment, MYSQL_PWD: way.password };
}

/** @throws when it does not end well */
export async function output(
  command: string,
  args: readonly string[],
  environment: Environment,
  input = '',
): Promise<string> {
  const done: Finished = await runProgram(command, args, environment, input);
  if (done.code !== 0) {
    // sysbench says what is wrong on its standard output.
    const said = `${done.stderr}\n${done.stdout}`.trim().slice(-4000);
    throw new Error(`${[command, ...args].join(' ')} ended (${done.code}): ${said}`);
  }
  return done.stdout;
}

const venvPython = path.resolve(import.meta.dirname, '../../../build/venv/bin/python');

/**
 * What a function of one of the programs here, in Python, returns.
 *
 * @param long whether it may take its time: larger rows, every length
 */
export async function work(file: string, name: string, way: Way, long = false): Promise<unknown> {
  const { environment, ...login } = way;
  const program = path.join(import.meta.dirname, file);
  return JSON.parse(
    await output(venvPython, ['-B', program, name], environment, JSON.stringify({ ...login, long })),
  );
}

const javaFolder = path.resolve(import.meta.dirname, '../../../build/clients/java');

/** What a class of clients/java prints. */
export function java(name: string, way: Way, args: readonly string[]): Promise<string> {
  const classes = `${javaFolder}/*:${javaFolder}`;
  return output('java', ['-XX:TieredStopAtLevel=1', '-cp', classes, name, ...args], {
    ...way.environment,
    PASSWORD: way.password,
  });
}
