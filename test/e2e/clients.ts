/** The client programs of clients/ and Debian's command-line clients, each as one function: login in, what it was told out. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { scratchFolder } from '../harness/scratch.js';
import type { Login, Told } from './clients/conversation.js';

type Environment = Readonly<Record<string, string>>;

export interface ClientProgram {
  readonly name: string;
  readonly protocol: 'postgres' | 'mysql';
  /** Whether its errors carry the SQLSTATE or errno, and not the text alone. */
  readonly keepsCode: boolean;
  readonly run: (login: Login, environment: Environment) => Promise<Told>;
}

const folder = path.join(import.meta.dirname, 'clients');
const venvPython = path.resolve(import.meta.dirname, '../../build/venv/bin/python');

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. @throws when it can't be started. */
function finish(
  command: string,
  args: readonly string[],
  environment: Environment,
  input = '',
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    // Tied to this process's life like every other child of a test (harness/child.ts).
    const child = spawn('setpriv', ['--pdeathsig=KILL', '--', command, ...args], {
      env: { ...process.env, ...environment },
      stdio: 'pipe',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.end(input);
  });
}

async function converse(
  command: string,
  args: readonly string[],
  login: Login,
  environment: Environment,
): Promise<Told> {
  const { stdout, stderr } = await finish(command, args, environment, JSON.stringify(login));
  if (stdout === '') throw new Error(`${args.at(-1)} printed nothing: ${stderr}`);
  return JSON.parse(stdout) as Told;
}

const node = (file: string) => (login: Login, environment: Environment) =>
  converse(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), path.join(folder, file)],
    login,
    environment,
  );

const python = (file: string) => (login: Login, environment: Environment) =>
  converse(venvPython, ['-B', path.join(folder, file)], login, environment);

/** What libpq's programs take from their environment; the password stays out of the argument list. */
function libpq(login: Login, environment: Environment): Environment {
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

async function psql(login: Login, environment: Environment): Promise<Told> {
  const script = [
    'SELECT current_database();',
    'PREPARE doubled (int) AS SELECT $1 * 2;',
    'EXECUTE doubled(21);',
    'SELECT i FROM generate_series(1, 5000) AS i;',
  ].join('\n');
  const options = ['--no-psqlrc', '--quiet', '--tuples-only', '--no-align', '--set=VERBOSITY=verbose'];
  const done = await finish('psql', options, libpq(login, environment), script);
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

export async function mariadbCli(login: Login, environment: Environment): Promise<Told> {
  const script = [
    'SELECT database();',
    "PREPARE doubled FROM 'SELECT ? * 2';",
    'SET @n = 21;',
    'EXECUTE doubled USING @n;',
    'SELECT seq FROM seq_1_to_5000;',
  ].join('\n');
  const done = await finish(
    'mariadb',
    [
      ...['--no-defaults', '--batch', '--skip-column-names', '--protocol=tcp'],
      ...[`--host=${login.host}`, `--port=${login.port}`, `--user=${login.user}`],
      ...[`--ssl-ca=${login.ca}`, '--ssl-verify-server-cert', login.database],
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
  const done = await finish('pgbench', args, libpq(login, environment));
  if (done.code !== 0) throw new Error(`pgbench: ${done.stderr}`);
  const [, processed] = /transactions actually processed: (\d+)\/40/.exec(done.stdout) ?? [];
  const [, failed] = /failed transactions: (\d+)/.exec(done.stdout) ?? [];
  return { processed: Number(processed), failed: Number(failed) };
}

export const clientPrograms: readonly ClientProgram[] = [
  { name: 'psql', protocol: 'postgres', keepsCode: false, run: psql },
  { name: 'node pg', protocol: 'postgres', keepsCode: true, run: node('node-pg.ts') },
  { name: 'postgres.js', protocol: 'postgres', keepsCode: true, run: node('postgres-js.ts') },
  { name: 'psycopg 3', protocol: 'postgres', keepsCode: false, run: python('psycopg3.py') },
  { name: 'asyncpg', protocol: 'postgres', keepsCode: true, run: python('asyncpg_client.py') },
  { name: 'mysql2', protocol: 'mysql', keepsCode: true, run: node('mysql2.ts') },
  { name: 'PyMySQL', protocol: 'mysql', keepsCode: true, run: python('pymysql_client.py') },
  { name: 'mysql-connector-python', protocol: 'mysql', keepsCode: true, run: python('mysql_connector.py') },
];
