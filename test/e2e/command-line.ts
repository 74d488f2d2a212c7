/** The databases' own command-line clients, each as one function: login in, what it was told out. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { scratchFolder } from '../harness/scratch.js';
import type { Login, Told } from './clients/conversation.js';
import { type Environment, runProgram } from './run-program.js';

/** What libpq's programs take from their environment; the password stays out of the argument list. */
export function libpq(login: Login, environment: Environment): Environment {
  return {
    ...environment,
    PGHOST: login.host,
    PGPORT: String(login.port),
    PGUSER: login.user,
    PGPASSWORD: login.password,
    PGDATABASE: login.database,
    PGSSLMODE: 'verify-full',
    PGSSLROOTCERT: login.ca,
  };
}

export async function psql(login: Login, environment: Environment): Promise<Told> {
  const script = [
    'SELECT current_database();',
    'PREPARE doubled (int) AS SELECT $1 * 2;',
    'EXECUTE doubled(21);',
    'SELECT i FROM generate_series(1, 5000) AS i;',
  ].join('\n');
  const options = ['--no-psqlrc', '--quiet', '--tuples-only', '--no-align', '--set=VERBOSITY=verbose'];
  const done = await runProgram('psql', options, libpq(login, environment), script);
  return done.code === 0 ? toldBy(done.stdout) : { message: done.stderr };
}

function toldBy(output: string): Told {
  const [database, doubled, ...rows] = output.trim().split('\n');
  return {
    database: database!,
    doubled: Number(doubled),
    sum: rows.reduce((sum, row) => sum + Number(row), 0),
  };
}

/** Debian's; it sends no server name. */
export function mariadbCli(login: Login, environment: Environment): Promise<Told> {
  return mysqlLike('mariadb', [`--ssl-ca=${login.ca}`, '--ssl-verify-server-cert'], login, environment);
}

/** @param program of MySQL's own distribution; up to 8.0 it sends no server name either. */
export function mysqlCli(program: string, login: Login, environment: Environment): Promise<Told> {
  return mysqlLike(program, [`--ssl-ca=${login.ca}`, '--ssl-mode=VERIFY_IDENTITY'], login, environment);
}

async function mysqlLike(
  program: string,
  tls: readonly string[],
  login: Login,
  environment: Environment,
): Promise<Told> {
  const script = [
    'SELECT database();',
    "PREPARE doubled FROM 'SELECT ? * 2';",
    'SET @n = 21;',
    'EXECUTE doubled USING @n;',
    'SELECT seq FROM seq_1_to_5000;',
  ].join('\n');
  const done = await runProgram(
    program,
    [
      ...['--no-defaults', '--batch', '--skip-column-names', '--protocol=tcp'],
      ...[`--host=${login.host}`, `--port=${login.port}`, `--user=${login.user}`],
      ...[...tls, login.database],
    ],
    { ...environment, MYSQL_PWD: login.password },
    script,
  );
  if (done.code === 0) return toldBy(done.stdout);
  const [, code] = /^ERROR (\d+)/m.exec(done.stderr) ?? [];
  return { code: Number(code), message: done.stderr };
}

/** 4 clients, 10 transactions each, a connection for every transaction. */
export async function pgbench(
  login: Login,
  environment: Environment,
): Promise<{ readonly processed: number; readonly failed: number }> {
  const script = path.join(scratchFolder('pgbench'), 'script.sql');
  writeFileSync(script, '\\set n random(1, 100)\nSELECT :n * 2;\n');
  const args = ['--no-vacuum', '--connect', '--client=4', '--transactions=10', `--file=${script}`];
  const done = await runProgram('pgbench', args, libpq(login, environment));
  if (done.code !== 0) throw new Error(`pgbench: ${done.stderr}`);
  const [, processed] = /transactions actually processed: (\d+)\/40/.exec(done.stdout) ?? [];
  const [, failed] = /failed transactions: (\d+)/.exec(done.stdout) ?? [];
  return { processed: Number(processed), failed: Number(failed) };
}
