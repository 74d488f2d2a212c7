/**
 * A real MariaDB server of its own: password accounts over TCP, and one root session over its Unix socket by which
 * a test asks the database itself what is true.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import mysql from 'mysql2/promise';
import type { Certificate } from './certificates.js';
import { Child } from './child.js';
import { copyDataFolder, giveCertificate, runAs } from './data-folder.js';
import { ownAddress, ownPort } from './own-address.js';
import { scratchFolder } from './scratch.js';
import { waitUntil } from './wait-until.js';

const run = promisify(execFile);
const systemUser = 'mysql';

export interface MariaDbAccount {
  readonly name: string;
  readonly password: string;
  /** How it proves its password; `mysql_native_password` unless said otherwise. */
  readonly plugin?: 'mysql_native_password' | 'ed25519';
  /** Global privileges besides its rights on every database of the test, e.g. `PROCESS` for an observer. */
  readonly globalPrivileges?: readonly string[];
}

export interface MariaDbOptions {
  /** Shown with its log. */
  readonly name?: string;
  /** Of all its addresses; one of the test's own by default. */
  readonly port?: number;
  /** Offers TLS with it; without one it offers none. */
  readonly certificate?: Certificate;
  /**
   * Of all sessions, the harness's own one included; root gets one more when it is full. Default 100; the
   * server takes no fewer than 10.
   */
  readonly maxConnections?: number;
  readonly accounts?: readonly MariaDbAccount[];
  readonly databases?: readonly string[];
  /** Further server settings, by the names of its options: `{'max-allowed-packet': '128M'}`. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** Small files, so that a copy is quick. */
const smallFiles = ['--innodb-log-file-size=4M', '--innodb-data-file-path=ibdata1:4M:autoextend'];

const sessionsSql = `SELECT count(*) AS n FROM information_schema.processlist
  WHERE command <> 'Daemon' AND user <> 'system user' AND id <> connection_id()
    AND (? IS NULL OR user = ?) AND NOT json_contains(?, json_quote(user))`;

export class MariaDb {
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

  static async start(options: MariaDbOptions = {}): Promise<MariaDb> {
    const title = options.name ?? 'mariadb';
    const folder = scratchFolder(title);
    const data = path.join(folder, 'data');
    const port = options.port ?? (await ownPort());
    await copyDataFolder('mariadb', systemUser, data, initialise);
    const tls = options.certificate && (await giveCertificate(options.certificate, systemUser, data));
    // In the data folder: the server's own user may write there. A socket's path has at most 107 bytes.
    const socket = path.join(data, 'sock');
    const child = await Child.start({
      title: `${title}: ${data}`,
      command: '/usr/sbin/mariadbd',
      args: [
        ...[
          '--no-defaults',
          `--datadir=${data}`,
          `--socket=${socket}`,
          `--pid-file=${data}/pid`,
          `--tmpdir=${data}`,
        ],
        ...[`--bind-address=${ownAddress}`, `--port=${port}`, '--skip-name-resolve'],
        ...[
          `--max-connections=${options.maxConnections ?? 100}`,
          '--plugin-load-add=auth_ed25519',
          '--log-warnings=2',
        ],
        // Durability is not what is tested.
        ...[
          ...smallFiles,
          '--innodb-buffer-pool-size=16M',
          '--innodb-flush-log-at-trx-commit=0',
          '--skip-log-bin',
        ],
        ...(tls ? [`--ssl-cert=${tls.chain}`, `--ssl-key=${tls.key}`] : []),
        ...Object.entries(options.settings ?? {}).map(([name, value]) => `--${name}=${value}`),
      ],
      logFile: path.join(folder, 'log'),
      asUser: systemUser,
    });
    const root = await waitUntil('MariaDB answers root', async () => {
      child.assertRunning();
      return await mysql.createConnection({ socketPath: socket, user: 'root' });
    });
    // Broken by the test on purpose (a restart), or seen by the next query.
    root.on('error', () => {});
    const server = new MariaDb(folder, port, child, root);
    await server.#fill(options);
    return server;
  }

  async #fill({ accounts = [], databases = [] }: MariaDbOptions): Promise<void> {
    for (const database of databases) await this.query(`CREATE DATABASE ${mysql.escapeId(database)}`);
    for (const { name, password, plugin = 'mysql_native_password', globalPrivileges = [] } of accounts) {
      const account = `${mysql.escape(name)}@'%'`;
      await this.query(
        `CREATE USER ${account} IDENTIFIED VIA ${plugin} USING PASSWORD(${mysql.escape(password)})`,
      );
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

  /**
   * Logins that failed for another reason than a wrong password: no slot was free, or the client left. MariaDB
   * does not log "too many connections", and counts it among its refusals only where even root would not get in.
   */
  async failedLogins(): Promise<number> {
    const rows = await this.query<{ Variable_name: string; Value: string }>('SHOW GLOBAL STATUS');
    const status = (name: string) => Number(rows.find((row) => row.Variable_name === name)?.Value);
    const refusedAtOnce = status('Connection_errors_max_connections');
    return refusedAtOnce + status('Aborted_connects') - status('Access_denied_errors');
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
  await runAs(systemUser, 'mariadb-install-db', [
    ...[
      '--no-defaults',
      `--datadir=${empty}`,
      `--tmpdir=${empty}`,
      '--auth-root-authentication-method=normal',
    ],
    ...['--skip-name-resolve', '--skip-test-db', ...smallFiles],
  ]);
}
