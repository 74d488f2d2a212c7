/**
 * Everything that is compared, started: two Postgres servers of the same settings and content (one is Sluice's alone,
 * because its budget counts every session of the account), and the proxies in front of them with one certificate.
 * All of them end TLS and go to the server in plain text; the direct way has the server's own TLS.
 */
import { Certificates } from '../harness/certificates.js';
import { PgBouncer } from '../harness/pgbouncer.js';
import { PlainEnvoy } from '../harness/plain-envoy.js';
import { runBuiltProgram } from '../harness/program.js';
import { protectedPostgres } from '../harness/protected-database.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import { Traefik } from '../harness/traefik.js';
import { account, database, type Front } from './front.js';
import { fill } from './pgbench.js';

/** Threads that a proxy may use: half of four cores, the other half is the client's and the server's. PgBouncer has one. */
export const workers = 2;
export const service = 'bench';

export interface Fronts {
  readonly all: readonly Front[];
  readonly sluice: Sluice;
}

/** @param sessions that a front may have open at once */
export async function startFronts(sessions: number): Promise<Fronts> {
  const certificates = await Certificates.create();
  const hostname = hostnameOf(service);
  const certificate = await certificates.server('*.db.test');
  // Postgres' own defaults; the harness has them on.
  const settings = { log_connections: 'off', log_disconnections: 'off' };
  const start = (name: string) =>
    protectedPostgres(name, {
      budget: sessions,
      accounts: [account],
      databases: [database],
      certificate,
      settings,
    });
  const [server, guarded] = [(await start('shared')).server, await start('guarded')];
  for (const one of [server, guarded.server]) await fill(one);
  const envoy = await PlainEnvoy.start({ certificate, upstream: server, workers });
  runBuiltProgram();
  const sluice = await Sluice.start({
    databases: { [database]: guarded },
    services: {
      [service]: { database, max_connections: sessions, max_queue: 1_000, timeout_ms: 30_000 },
    },
    listeners: { pg: { tls: { certificate } } },
  });
  const traefik = await Traefik.start({ certificate, hostname, upstream: server, workers });
  const pgbouncer = await PgBouncer.start({ certificate, server, account: account.name, poolSize: sessions });
  const at = ({ host, port }: { host: string; port: number }) => ({ host, port, hostname });
  return {
    sluice,
    all: [
      { name: 'direct', ...at(server), direct: false, processes: {} },
      { name: 'envoy', ...at(envoy), direct: true, processes: { envoy: envoy.pid } },
      {
        name: 'sluice',
        ...at({ host: sluice.host, port: sluice.ports.pg }),
        direct: true,
        processes: { envoy: sluice.envoy.pid, brain: sluice.brain.pid },
      },
      { name: 'traefik', ...at(traefik), direct: false, processes: { traefik: traefik.pid } },
      { name: 'pgbouncer', ...at(pgbouncer), direct: false, processes: { pgbouncer: pgbouncer.pid } },
    ],
  };
}
