/** A real PgBouncer with session pooling, in front of one Postgres. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Certificate } from './certificates.js';
import { isRoot } from './child.js';
import { giveCertificate } from './data-folder.js';
import { OtherProxy } from './other-proxy.js';
import { ownAddress, ownPort } from './own-address.js';
import type { Postgres } from './postgres.js';
import { scratchFolder } from './scratch.js';

const run = promisify(execFile);
/** It refuses to run as root. */
const systemUser = 'postgres';

export interface PgBouncerOptions {
  readonly certificate: Certificate;
  readonly server: Postgres;
  /** Its SCRAM verifier is read from the server: the password is not known to the pooler. */
  readonly account: string;
  /** Server connections at once. */
  readonly poolSize: number;
}

export class PgBouncer extends OtherProxy {
  /** Resolves when clients can connect. */
  static async start({ certificate, server, account, poolSize }: PgBouncerOptions): Promise<PgBouncer> {
    const folder = scratchFolder('pgbouncer');
    const port = await ownPort();
    const { chain, key } = await giveCertificate(certificate, systemUser, folder);
    const users = path.join(folder, 'users');
    const [row] = await server.query<{ verifier: string }>(
      'SELECT rolpassword AS verifier FROM pg_authid WHERE rolname = $1',
      [account],
    );
    writeFileSync(users, `"${account}" "${row!.verifier}"\n`, { mode: 0o600 });
    const file = path.join(folder, 'pgbouncer.ini');
    const settings = {
      listen_addr: ownAddress,
      listen_port: port,
      unix_socket_dir: '',
      auth_type: 'scram-sha-256',
      auth_file: users,
      pool_mode: 'session',
      max_client_conn: 10_000,
      default_pool_size: poolSize,
      client_tls_sslmode: 'require',
      client_tls_cert_file: chain,
      client_tls_key_file: key,
      server_tls_sslmode: 'disable',
      log_connections: 0,
      log_disconnections: 0,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
    writeFileSync(
      file,
      `[databases]\n* = host=${server.host} port=${server.port}\n[pgbouncer]\n${lines.join('')}`,
    );
    if (isRoot) await run('chown', ['-R', systemUser, folder]);
    const child = await OtherProxy.run(port, {
      title: 'PgBouncer',
      command: 'pgbouncer',
      args: [file],
      logFile: path.join(folder, 'log'),
      asUser: systemUser,
    });
    return new PgBouncer(port, child);
  }
}
