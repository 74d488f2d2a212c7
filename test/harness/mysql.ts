/**
 * A real MySQL 8.0 Community server of its own, for the optional suite (`make test-mysql` fetches it): password
 * accounts over TCP, and one root session over its Unix socket by which a test asks the database itself what is true.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import mysql from 'mysql2/promise';
import type { Certificate } from './certificates.js';
import { Child, isRoot } from './child.js';
import { copyDataFolder } from './data-folder.js';
import { ownAddress, ownPort } from './own-address.js';
import { scratchFolder } from './scratch.js';
import { waitUntil } from './wait-until.js';

const run = promisify(execFile);
const install = path.resolve(import.meta.dirname, '../../build/mysql');

/** Its programs, the command-line clients among them. */
export const mysqlPrograms = path.join(install, 'bin');

export interface MySqlAccount {
  readonly name: string;
  readonly password: string;
  /** How it proves its password; `caching_sha2_password` unless said otherwise. */
  readonly plugin?: 'caching_sha2_password' | 'mysql_native_password';
  /** Global privileges besides its rights on every database of the test, e.g. `PROCESS` for an observer. */
  readonly globalPrivileges?: readonly string[];
}

export interface MySqlOptions {
  /** Shown with its log. */
  readonly name?: string;
  /** Offers TLS with it; without one it offers none. */
  readonly certificate?: Certificate;
  /** Of all sessions, the harness's own one included; root gets one more when it is full. Default 100. */
  readonly maxConnections?: number;
  readonly accounts?: readonly MySqlAccount[];
  readonly databases?: readonly string[];
  /** Further server settings, by the names of its options: `{'max-allowed-packet': '128M'}`. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** It drops to this user by itself; its own files are then the test's. */
const identity = isRoot ? ['--user=root'] : [];

const sessionsSql = `SELECT count(*) AS n FROM information_schema.processlist
  WHERE command <> 'Daemon' AND user <> 'system user' AND id <> connection_id()
    AND (? IS NULL OR user = ?) AND NOT json_contains(?, json_quote(user))`;

export class MySql {
  readonly host = ownAddress;
  readonly port: number;
  readonly #folder: string;
  readonly #child: Child;
  readonly #root: mysql.Connection;

  private constructor(folder: string, port: number, child: Child, root: mysql.Connection) {
    this.#folder = folder;
    this.port = port;
    this.#child = child;
    this.#root = root;
  }

  static async start(options: MySqlOptions = {}): Promise<MySql> {
    const title = options.name ?? 'mysql';
    const folder = scratchFolder(title);
    const data = path.join(folder, 'data');
    const port = await ownPort();
    await copyDataFolder('mysql-8.0', 'root', data, initialise);
    const socket = path.join(data, 'sock');
    const { certificate } = options;
    const child = await Child.start({
      title: `${title}: ${data}`,
      command: path.join(mysqlPrograms, 'mysqld'),
      args: [
        ...['--no-defaults', ...identity, `--basedir=${install}`, `--datadir=${data}`],
        ...[`--socket=${socket}`, `--pid-file=${data}/pid`, `--tmpdir=${data}`, '--mysqlx=OFF'],
        ...[`--bind-address=${ownAddress}`, `--port=${port}`, '--skip-name-resolve'],
        `--max-connections=${options.maxConnections ?? 100}`,
        ...(certificate
          ? [`--ssl-cert=${certificate.chain}`, `--ssl-key=${certificate.key}`]
          : ['--tls-version=']),
        // Durability is not what is tested.
        ...['--innodb-buffer-pool-size=32M', '--innodb-flush-log-at-trx-commit=0', '--skip-log-bin'],
        ...['--innodb-redo-log-capacity=8M', '--innodb-doublewrite=OFF', '--performance-schema=OFF'],
        ...Object.entries(options.settings ?? {}).map(([name, value]) => `--${name}=${value}`),
      ],
      logFile: path.join(folder, 'log'),
    });
    const root = await waitUntil('MySQL answers root', async () => {
      child.assertRunning();
      return await mysql.createConnection({ socketPath: socket, user: 'root' });
    });
    // Broken by the test on purpose (a restart), or seen by the next query.
    root.on('error', () => {});
    const server = new MySql(folder, port, child, root);
    await server.#fill(options);
    return server;
  }

  async #fill({ accounts = [], databases = [] }: MySqlOptions): Promise<void> {
    for (const database of databases) await this.query(`CREATE DATABASE ${mysql.escapeId(database)}`);
    for (const { name, password, plugin = 'caching_sha2_password', globalPrivileges = [] } of accounts) {
      const account = `${mysql.escape(name)}@'%'`;
      await this.query(`CREATE USER ${account} IDENTIFIED WITH ${plugin} BY ${mysql.escape(password)}`);
      for (const privilege of globalPrivileges) await this.query(`GRANT ${privilege} ON *.* TO ${account}`);
      for (const database of databases) {
        await this.query(`GRANT ALL ON ${mysql.escapeId(database)}.* TO ${account}`);
      }
    }
  }

  /** As root. */
  async query<Row = Record<string, unknown>>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    const [rows] = await this.#root.query(sql, [...values]);
    return rows as Row[];
  }

  /**
   * Sessions as the database counts them, without the harness's own: all, or those of one account. A session that
   * is still logging in belongs to `unauthenticated user` and counts among all.
   *
   * @param except accounts that are not counted (an observer's)
   */
  async count(account?: string, except: readonly string[] = []): Promise<number> {
    const values = [account ?? null, account ?? null, JSON.stringify(except)];
    const [row] = await this.query<{ n: number }>(sessionsSql, values);
    return Number(row!.n);
  }

  /** How many clients it has ever turned away for want of a slot. */
  async saidTooMany(): Promise<number> {
    const [row] = await this.query<{ Value: string }>(
      "SHOW GLOBAL STATUS LIKE 'Connection_errors_max_connections'",
    );
    return Number(row!.Value);
  }

  get log(): string {
    return this.#child.log;
  }

  get pid(): number {
    return this.#child.pid;
  }

  async stop(): Promise<void> {
    this.#root.destroy();
    await this.#child.stop();
    await run('rm', ['-rf', path.join(this.#folder, 'data')]);
  }
}

async function initialise(empty: string): Promise<void> {
  const args = ['--no-defaults', ...identity, `--basedir=${install}`, `--datadir=${empty}`];
  await run(path.join(mysqlPrograms, 'mysqld'), [
    ...args,
    '--initialize-insecure',
    '--innodb-redo-log-capacity=8M',
  ]);
}
