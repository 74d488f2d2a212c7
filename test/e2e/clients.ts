/** The client programs of clients/ and the command-line clients: logins in, what each was told out. */
import path from 'node:path';
import type { Login, Told } from './clients/conversation.js';
import { mariadbCli, psql } from './command-line.js';
import { type Environment, runProgram } from './run-program.js';

type Ask = (logins: readonly Login[], environment: Environment) => Promise<Told[]>;

export interface ClientProgram {
  readonly name: string;
  readonly protocol: 'postgres' | 'mysql';
  /** Whether its errors carry the SQLSTATE or errno, and not the text alone. */
  readonly keepsCode: boolean;
  /** Whether it says which host it wants (SNI). */
  readonly sendsName: boolean;
  /** Whether it can begin with TLS (Postgres 17). */
  readonly canBeDirect: boolean;
  /** Whether it can log in to MariaDB's ed25519 accounts. */
  readonly knowsEd25519: boolean;
  /** All logins one after the other, in one process where that takes time to start. */
  readonly run: Ask;
}

const top = path.resolve(import.meta.dirname, '../..');
const folder = path.join(import.meta.dirname, 'clients');
const venvPython = path.join(top, 'build/venv/bin/python');

async function outputOf(
  command: string,
  args: readonly string[],
  input: string,
  environment: Environment,
): Promise<string> {
  const { stdout, stderr, code } = await runProgram(command, args, environment, input);
  if (code !== 0 || stdout === '') throw new Error(`${command} ${args.at(-1)} ended (${code}): ${stderr}`);
  return stdout;
}

const asJson =
  (command: string, args: readonly string[], more: Environment = {}): Ask =>
  async (logins, environment) =>
    JSON.parse(await outputOf(command, args, JSON.stringify(logins), { ...environment, ...more })) as Told[];

const node = (file: string) =>
  asJson(process.execPath, ['--import', import.meta.resolve('tsx'), path.join(folder, file)]);
const python = (file: string) => asJson(venvPython, ['-B', path.join(folder, file)]);
/** By the C library's resolver: Go's own one reads files that no test may write. */
const go = (driver: string) =>
  asJson(path.join(top, 'build/clients/go-client'), [driver], { GODEBUG: 'netdns=cgo' });

/** Java has no JSON of its own: lines of fields instead, as clients/java/Client.java says. */
const java =
  (driver: string): Ask =>
  async (logins, environment) => {
    const lines = logins.map(({ host, port, user, password, database, ca, direct }) =>
      [host, port, user, password, database, ca, direct ? 'direct' : ''].join('\t'),
    );
    const options = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp'];
    const args = [...options, path.join(top, 'build/clients/java/*'), 'Client', driver];
    args[3] += `:${path.join(top, 'build/clients/java')}`;
    const output = await outputOf('java', args, `${lines.join('\n')}\n`, environment);
    return output.trimEnd().split('\n').map(toldByJava);
  };

function toldByJava(line: string): Told {
  const [kind, first = '', second = '', third = ''] = line.split('\t');
  if (kind === 'in') return { database: first, doubled: Number(second), sum: Number(third) };
  const code = /^\d{4}$/.test(first) ? Number(first) : first;
  return { code, message: Buffer.from(second, 'base64').toString('utf8') };
}

const each =
  (ask: (login: Login, environment: Environment) => Promise<Told>): Ask =>
  (logins, environment) =>
    Promise.all(logins.map((login) => ask(login, environment)));

type Traits = Partial<Pick<ClientProgram, 'keepsCode' | 'sendsName' | 'canBeDirect' | 'knowsEd25519'>>;

const usual = { keepsCode: true, sendsName: true, canBeDirect: false, knowsEd25519: false };

const postgres = (name: string, run: Ask, traits: Traits = {}): ClientProgram => ({
  ...{ name, protocol: 'postgres', run },
  ...{ ...usual, ...traits },
});

const mysql = (name: string, run: Ask, traits: Traits = {}): ClientProgram => ({
  ...{ name, protocol: 'mysql', run },
  ...{ ...usual, ...traits },
});

/** Those that every set-up has. */
export const clientPrograms: readonly ClientProgram[] = [
  postgres('psql', each(psql), { keepsCode: false }),
  postgres('node pg', node('node-pg.ts'), { canBeDirect: true }),
  postgres('postgres.js', node('postgres-js.ts'), { canBeDirect: true }),
  postgres('psycopg 3', python('psycopg3.py'), { keepsCode: false, canBeDirect: true }),
  postgres('psycopg 2', python('psycopg2_client.py'), { keepsCode: false, canBeDirect: true }),
  postgres('asyncpg', python('asyncpg_client.py'), { canBeDirect: true }),
  postgres('pg8000', python('pg8000_client.py')),
  mysql('mysql2', node('mysql2.ts')),
  mysql('PyMySQL', python('pymysql_client.py'), { knowsEd25519: true }),
  mysql('asyncmy', python('asyncmy_client.py')),
  mysql('mysql-connector-python', python('mysql_connector.py')),
  mysql('mariadb CLI', each(mariadbCli), { sendsName: false, knowsEd25519: true }),
];

/** Those that are compiled for the tests (`setup/setup.sh drivers`). */
export const compiledClients: readonly ClientProgram[] = [
  postgres('pgx', go('pgx'), { canBeDirect: true }),
  postgres('lib/pq', go('lib-pq'), { canBeDirect: true }),
  postgres('pgjdbc', java('pgjdbc'), { canBeDirect: true }),
  mysql('go-sql-driver', go('go-sql-driver')),
  mysql('Connector/J', java('connector-j')),
  // Debian's Connector/C sends no name; since 3.4 it does.
  mysql('mysqlclient', python('mysqlclient_client.py'), { sendsName: false, knowsEd25519: true }),
];
