/**
 * A real Postgres server of its own: SCRAM accounts over TCP, and one superuser session over its Unix socket by
 * which a test asks the database itself what is true.
 */
import { execFile } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import type { Certificate } from './certificates.js';
import { Child } from './child.js';
import { copyDataFolder, giveCertificate, runAs } from './data-folder.js';
import { ownAddress, ownPort } from './own-address.js';
import { type PostgresVersion, postgresPrograms } from './postgres-programs.js';
import { scratchFolder } from './scratch.js';
import { waitUntil } from './wait-until.js';

const execute = promisify(execFile);
const systemUser = 'postgres';

export interface PostgresAccount {
  readonly name: string;
  readonly password: string;
  /** Roles it is a member of, e.g. `pg_monitor` for an observer. */
  readonly memberOf?: readonly string[];
}

export interface PostgresOptions {
  /** Shown with its log. */
  readonly name?: string;
  /** Debian's unless said otherwise. */
  readonly version?: PostgresVersion;
  /** Of all its addresses; one of the test's own by default. */
  readonly port?: number;
  /** Offers TLS with it (by request, and direct since 17); without one it offers none. */
  readonly certificate?: Certificate;
  /** Of all sessions, the harness's own one included; none is set aside for superusers. Default 100. */
  readonly maxConnections?: number;
  readonly accounts?: readonly PostgresAccount[];
  /** Databases to create; `postgres` is always there. Every account may connect to each. */
  readonly databases?: readonly string[];
  /** Further server settings. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

const sessionsSql = `SELECT count(*)::int AS n FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
    AND ($1::text IS NULL OR usename = $1) AND NOT (usename = ANY($2::text[]))`;

export class Postgres {
  readonly host = ownAddress;
  readonly #options: PostgresOptions;
  readonly #folder: string;
  readonly port: number;
  readonly #programs: string;
  #child: Child;
  #superuser: pg.Client;

  private constructor(
    options: PostgresOptions,
    folder: string,
    port: number,
    programs: string,
    child: Child,
    superuser: pg.Client,
  ) {
    this.#options = options;
    this.#folder = folder;
    this.port = port;
    this.#programs = programs;
    this.#child = child;
    this.#superuser = superuser;
  }

  static async start(options: PostgresOptions = {}): Promise<Postgres> {
    const title = options.name ?? 'postgres';
    const folder = scratchFolder(title);
    const data = path.join(folder, 'data');
    const port = options.port ?? (await ownPort());
    const { major, folder: programs } = await postgresPrograms(options.version);
    await copyDataFolder(`postgres-${major}`, systemUser, data, (empty) =>
      runAs(systemUser, path.join(programs, 'initdb'), [
        ...['--pgdata', empty, '--username=postgres', '--auth=trust'],
        ...['--encoding=UTF8', '--locale=C', '--no-sync'],
      ]),
    );
    const { certificate } = options;
    const tls = certificate && (await giveCertificate(certificate, systemUser, data));
    configure(data, port, options, tls);
    const child = await run(title, folder, programs);
    const superuser = await connect(child, data, port);
    const server = new Postgres(options, folder, port, programs, child, superuser);
    await server.#fill();
    return server;
  }

  async #fill(): Promise<void> {
    const { accounts = [], databases = [] } = this.#options;
    for (const account of accounts) {
      const name = pg.escapeIdentifier(account.name);
      await this.query(`CREATE ROLE ${name} LOGIN PASSWORD ${pg.escapeLiteral(account.password)}`);
      for (const role of account.memberOf ?? []) {
        await this.query(`GRANT ${pg.escapeIdentifier(role)} TO ${name}`);
      }
    }
    for (const database of databases) await this.query(`CREATE DATABASE ${pg.escapeIdentifier(database)}`);
  }

  /** As the superuser, in the database `postgres`. */
  async query<Row extends pg.QueryResultRow = Record<string, unknown>>(
    sql: string,
    values: readonly unknown[] = [],
  ): Promise<Row[]> {
    return (await this.#superuser.query<Row>(sql, [...values])).rows;
  }

  /**
   * Sessions as the database counts them, without the harness's own: all, or those of one account.
   *
   * @param except accounts that are not counted (an observer's)
   */
  async count(account?: string, except: readonly string[] = []): Promise<number> {
    const [row] = await this.query<{ n: number }>(sessionsSql, [account ?? null, except]);
    return row!.n;
  }

  /** Shows it to new connections from now on; it must have been started with one. */
  async useCertificate(certificate: Certificate): Promise<void> {
    await giveCertificate(certificate, systemUser, path.join(this.#folder, 'data'));
    await this.query('SELECT pg_reload_conf()');
  }

  /** Whether it has ever turned a client away for want of a slot. */
  get hasSaidTooMany(): boolean {
    return /too many|remaining connection slots/i.test(this.#child.log);
  }

  get log(): string {
    return this.#child.log;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** SIGKILL to the postmaster, as by a kernel that is short of memory; its backends go when they notice. */
  async kill(): Promise<void> {
    await this.#child.kill();
  }

  /** After it was killed. Resolves when it answers: it does not start before the last backend has gone. */
  async startAgain(): Promise<void> {
    const { name = 'postgres' } = this.#options;
    const data = path.join(this.#folder, 'data');
    await waitUntil('Postgres starts again', async () => {
      this.#child = await run(name, this.#folder, this.#programs);
      this.#superuser = await connect(this.#child, data, this.port).catch((error: Error) => {
        throw new Error('it has ended at once', { cause: error });
      });
      return true;
    });
  }

  /** To the server and to each of its backends. */
  signal(signal: NodeJS.Signals): void {
    const { pid } = this;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    for (const child of children.split(' ')) if (child !== '') signalIfThere(Number(child), signal);
    this.#child.signal(signal);
  }

  async stop(): Promise<void> {
    await this.#superuser.end().catch(() => {});
    await this.#child.stop();
    await execute('rm', ['-rf', path.join(this.#folder, 'data')]);
  }
}

/** A backend may have gone since it was looked for. */
function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ESRCH') throw error;
  }
}

function run(title: string, folder: string, programs: string): Promise<Child> {
  const data = path.join(folder, 'data');
  return Child.start({
    title: `${title}: ${data}`,
    command: path.join(programs, 'postgres'),
    args: ['-D', data],
    logFile: path.join(folder, 'log'),
    asUser: systemUser,
    // Fast shutdown: it does not wait for its clients to leave.
    stopSignal: 'SIGINT',
    orphanSignal: 'SIGQUIT',
  });
}

function connect(child: Child, data: string, port: number): Promise<pg.Client> {
  return waitUntil('Postgres answers its superuser', async () => {
    child.assertRunning();
    const client = new pg.Client({ host: data, port, user: 'postgres', database: 'postgres' });
    // Broken by the test on purpose (a restart), or seen by the next query.
    client.on('error', () => {});
    await client.connect();
    return client;
  });
}

function configure(
  data: string,
  port: number,
  options: PostgresOptions,
  certificate: Certificate | undefined,
): void {
  const settings: Record<string, string | number> = {
    listen_addresses: ownAddress,
    port,
    unix_socket_directories: data,
    max_connections: options.maxConnections ?? 100,
    superuser_reserved_connections: 0,
    password_encryption: 'scram-sha-256',
    log_connections: 'on',
    log_disconnections: 'on',
    log_line_prefix: '%m [%p] %u@%d ',
    // Durability is not what is tested.
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    shared_buffers: '32MB',
    max_wal_senders: 0,
    wal_level: 'minimal',
    autovacuum: 'off',
    ...(certificate && { ssl: 'on', ssl_cert_file: certificate.chain, ssl_key_file: certificate.key }),
    ...options.settings,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
  appendFileSync(path.join(data, 'postgresql.conf'), lines.join(''));
  writeFileSync(
    path.join(data, 'pg_hba.conf'),
    'local all postgres trust\nhost all all 127.0.0.0/8 scram-sha-256\nhost all all ::1/128 scram-sha-256\n',
  );
}
