/**
 * What MariaDB and MySQL have in common once they run: one root session over the server's Unix socket, by which a test
 * makes accounts and asks the database itself what is true.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import mysql from 'mysql2/promise';
import type { Certificate } from './certificates.js';
import type { Child } from './child.js';
import { ownAddress } from './own-address.js';
import { waitUntil } from './wait-until.js';

const run = promisify(execFile);

export interface FamilyAccount<Plugin extends string> {
  readonly name: string;
  readonly password: string;
  /** How it proves its password. */
  readonly plugin?: Plugin;
  /** Global privileges besides its rights on every database of the test, e.g. `PROCESS` for an observer. */
  readonly globalPrivileges?: readonly string[];
}

export interface FamilyOptions<Account> {
  /** Shown with its log. */
  readonly name?: string;
  /** Of all its addresses; one of the test's own by default. */
  readonly port?: number;
  /** Offers TLS with it; without one it offers none. */
  readonly certificate?: Certificate;
  /**
   * Of all sessions, the harness's own one included; root gets one more when it is full. Default 100; MariaDB takes no
   * fewer than 10.
   */
  readonly maxConnections?: number;
  readonly accounts?: readonly Account[];
  readonly databases?: readonly string[];
  /** Further server settings, by the names of its options: `{'max-allowed-packet': '128M'}`. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** A server's process and where it lives. */
interface Running {
  readonly child: Child;
  readonly port: number;
  readonly data: string;
  readonly socket: string;
}

const sessionsSql = `SELECT count(*) AS n FROM information_schema.processlist
  WHERE command <> 'Daemon' AND user <> 'system user' AND id <> connection_id()
    AND (? IS NULL OR user = ?) AND NOT json_contains(?, json_quote(user))`;

export class FamilyServer {
  readonly host = ownAddress;
  readonly port: number;
  readonly #child: Child;
  readonly #data: string;
  readonly #root: mysql.Connection;

  protected constructor({ child, port, data }: Running, root: mysql.Connection) {
    this.#child = child;
    this.port = port;
    this.#data = data;
    this.#root = root;
  }

  /** Resolves when the server answers its root. */
  protected static async root({ child, socket }: Running): Promise<mysql.Connection> {
    const root = await waitUntil('the server answers root', async () => {
      child.assertRunning();
      return await mysql.createConnection({ socketPath: socket, user: 'root' });
    });
    // Broken by the test on purpose (a restart), or seen by the next query.
    root.on('error', () => {});
    return root;
  }

  /** @param identified how the server's own SQL says by what an account is known */
  protected async fill<Plugin extends string>(
    { accounts = [], databases = [] }: FamilyOptions<FamilyAccount<Plugin>>,
    identified: (plugin: Plugin | undefined, password: string) => string,
  ): Promise<void> {
    for (const database of databases) await this.query(`CREATE DATABASE ${mysql.escapeId(database)}`);
    for (const { name, password, plugin, globalPrivileges = [] } of accounts) {
      const account = `${mysql.escape(name)}@'%'`;
      await this.query(`CREATE USER ${account} IDENTIFIED ${identified(plugin, mysql.escape(password))}`);
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

  get log(): string {
    return this.#child.log;
  }

  get pid(): number {
    return this.#child.pid;
  }

  async stop(): Promise<void> {
    this.#root.destroy();
    await this.#child.stop();
    await run('rm', ['-rf', this.#data]);
  }
}
