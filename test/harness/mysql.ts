/**
 * A real MySQL 8.0 Community server of its own, for the optional suite (`make test-mysql` fetches it): password
 * accounts over TCP, and one root session over its Unix socket by which a test asks the database itself what is true.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { Child, isRoot } from './child.js';
import { copyDataFolder } from './data-folder.js';
import { type FamilyAccount, type FamilyOptions, FamilyServer } from './mysql-family.js';
import { ownAddress, ownPort } from './own-address.js';
import { scratchFolder } from './scratch.js';

const run = promisify(execFile);
const install = path.resolve(import.meta.dirname, '../../build/mysql');

/** Its programs, the command-line clients among them. */
export const mysqlPrograms = path.join(install, 'bin');

/** `caching_sha2_password` unless said otherwise. */
export type MySqlAccount = FamilyAccount<'caching_sha2_password' | 'mysql_native_password'>;
export type MySqlOptions = FamilyOptions<MySqlAccount>;

/** It drops to this user by itself; its own files are then the test's. */
const identity = isRoot ? ['--user=root'] : [];

export class MySql extends FamilyServer {
  static async start(options: MySqlOptions = {}): Promise<MySql> {
    const title = options.name ?? 'mysql';
    const folder = scratchFolder(title);
    const data = path.join(folder, 'data');
    const port = options.port ?? (await ownPort());
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
    const running = { child, port, data, socket };
    const server = new MySql(running, await FamilyServer.root(running));
    await server.fill(
      options,
      (plugin = 'caching_sha2_password', password) => `WITH ${plugin} BY ${password}`,
    );
    return server;
  }

  /** How many clients it has ever turned away for want of a slot. */
  async saidTooMany(): Promise<number> {
    const [row] = await this.query<{ Value: string }>(
      "SHOW GLOBAL STATUS LIKE 'Connection_errors_max_connections'",
    );
    return Number(row!.Value);
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
