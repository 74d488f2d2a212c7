/**
 * A real MariaDB server of its own: password accounts over TCP, and one root session over its Unix socket by which
 * a test asks the database itself what is true.
 */
import path from 'node:path';
import { Child } from './child.js';
import { copyDataFolder, giveCertificate, runAs } from './data-folder.js';
import { type FamilyAccount, type FamilyOptions, FamilyServer } from './mysql-family.js';
import { ownAddress, ownPort } from './own-address.js';
import { scratchFolder } from './scratch.js';

const systemUser = 'mysql';

/** `mysql_native_password` unless said otherwise. */
export type MariaDbAccount = FamilyAccount<'mysql_native_password' | 'ed25519'>;
export type MariaDbOptions = FamilyOptions<MariaDbAccount>;

/** Small files, so that a copy is quick. */
const smallFiles = ['--innodb-log-file-size=4M', '--innodb-data-file-path=ibdata1:4M:autoextend'];

export class MariaDb extends FamilyServer {
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
    const running = { child, port, data, socket };
    const server = new MariaDb(running, await FamilyServer.root(running));
    await server.fill(
      options,
      (plugin = 'mysql_native_password', password) => `VIA ${plugin} USING PASSWORD(${password})`,
    );
    return server;
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
