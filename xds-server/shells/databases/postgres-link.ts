/**
 * Observing a Postgres server. The least that an account needs, because without it the server hides who a session
 * belongs to and whether it is one at all:
 *
 *   CREATE ROLE sluice_observer LOGIN CONNECTION LIMIT 2 PASSWORD '…' IN ROLE pg_read_all_stats;
 *
 * https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW
 */
import { isIP, Socket, type TcpSocketConnectOpts } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, type TLSSocket } from 'node:tls';
import pg from 'pg';
import type { ObservedSession } from '../../pure/ledger/events.js';
import { formatAddress } from '../../pure/plan/address.js';
import type { Endpoint, ProxyVersion } from '../../pure/plan/plan.js';
import { type Approach, type Link, type LinkTls, type Login, nameOf, patience } from './link.js';
import { socketWithHeader } from './proxy-header.js';

/** Every installation has it, and every account may connect to it unless that was taken away. */
const database = 'postgres';

/** From this version on pg_stat_activity shows backends before they have logged in. */
const firstThatListsLogins = 180_000;

const factsQuery = `
  SELECT current_setting('server_version_num')::int AS version,
         pg_backend_pid() AS own,
         pg_has_role('pg_read_all_stats', 'USAGE') AS may_observe,
         extract(epoch FROM current_setting('authentication_timeout')::interval)::int AS login_seconds,
         current_setting('log_hostname')::bool AS looks_up_names,
         current_setting('max_connections')::int
           - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0) AS capacity`;

/** Of all processes. A backend_type that is hidden could be a client's, and is refused as an answer. */
const sessionsQuery = {
  name: 'sluice_sessions',
  text: `SELECT pid, host(client_addr) AS address, client_port AS port, usename AS account,
                backend_type = 'client backend' AS client, backend_type IS NULL AS hidden
           FROM pg_stat_activity`,
};

/**
 * From the end of its start-up message to the end of its login a process is in a transaction, and holds the lock that each
 * transaction has. Asked before the sessions: who ends the one between the two is in the other.
 */
const loginsQuery = {
  name: 'sluice_logins',
  text: `SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'virtualxid' AND pid IS NOT NULL`,
};

interface Facts {
  readonly version: number;
  readonly own: number;
  readonly may_observe: boolean;
  readonly login_seconds: number;
  /** Before it reads the start-up message. */
  readonly looks_up_names: boolean;
  readonly capacity: number;
}

interface SessionRow {
  readonly pid: number;
  readonly address: string | null;
  readonly port: number | null;
  /** Null while it logs in. */
  readonly account: string | null;
  readonly client: boolean;
  readonly hidden: boolean;
}

export async function connectPostgres(
  endpoint: Endpoint,
  login: Login,
  { proxyProtocol, tls }: Approach,
  mostMs: number,
): Promise<Link> {
  const client = new pg.Client({
    // The driver sends it as server name.
    host: tls ? nameOf(endpoint, tls) : endpoint.host,
    port: endpoint.port,
    stream: () => dialling(endpoint, proxyProtocol),
    user: login.user,
    password: login.password,
    database,
    application_name: 'sluice-observer',
    connectionTimeoutMillis: mostMs,
    query_timeout: patience.answerMs,
    statement_timeout: patience.answerMs,
    keepAlive: true,
    ...(tls && tlsOptions(endpoint, tls)),
  });
  let broken: Error | undefined;
  client.on('error', (error) => {
    broken = error;
  });
  try {
    await client.connect();
    const { rows } = await client.query<Facts>(factsQuery);
    const facts = rows[0]!;
    if (!facts.may_observe)
      throw new Error(
        `${login.user} may not see other sessions: expected it to be granted pg_read_all_stats`,
      );
    return link(facts);
  } catch (error) {
    close(client);
    throw error;
  }

  function link(facts: Facts): Link {
    return {
      facts: {
        version: String(facts.version),
        listsLogins: facts.version >= firstThatListsLogins,
        loginTimeoutMs: facts.login_seconds * 1000,
        namesLogins: facts.version < firstThatListsLogins && !facts.looks_up_names,
        capacity: facts.capacity,
        ...(tls && { certificate: certificateOf(client) }),
      },
      ownId: facts.own,
      async list(withLogins) {
        if (broken) throw broken;
        const locks = withLogins ? client.query<{ readonly pid: number }>(loginsQuery) : undefined;
        const [begun, { rows }] = await Promise.all([locks, client.query<SessionRow>(sessionsQuery)]);
        if (rows.some((row) => row.hidden))
          throw new Error(`${login.user} no longer sees other sessions: expected pg_read_all_stats`);
        const sessions = rows.filter(({ client }) => client).map(sessionOf);
        if (!begun) return { sessions };
        const known = new Set(rows.map(({ pid }) => pid));
        return { sessions, loggingIn: begun.rows.map(({ pid }) => pid).filter((pid) => !known.has(pid)) };
      },
      close: () => close(client),
    };
  }
}

/** A socket that has yet to connect, and does so to the endpoint, whatever name its server goes by. */
function dialling({ host, port }: Endpoint, proxyProtocol: ProxyVersion | undefined): Socket {
  const socket = proxyProtocol ? socketWithHeader(proxyProtocol) : new Socket();
  const connect: (at: TcpSocketConnectOpts) => Socket = socket.connect.bind(socket);
  return Object.assign(socket, { connect: () => connect({ port, host }) });
}

function tlsOptions(endpoint: Endpoint, tls: LinkTls): pg.ClientConfig {
  return {
    ssl: tlsTo(endpoint, tls),
    ...(tls.negotiation === 'direct' && { sslnegotiation: 'direct' }),
  };
}

/** What Node needs to speak TLS to a server. */
export function tlsTo(endpoint: Endpoint, tls: LinkTls): ConnectionOptions {
  const { ca, negotiation } = tls;
  const name = nameOf(endpoint, tls);
  return {
    rejectUnauthorized: ca !== undefined,
    ...(ca && { ca: Buffer.from(ca) }),
    ...(isIP(name) === 0 && { servername: name }),
    ...(negotiation === 'direct' && { ALPNProtocols: ['postgresql'] }),
    checkServerIdentity: (_host, certificate) => ca && checkServerIdentity(name, certificate),
  };
}

/** The driver keeps its TLS socket to itself. */
function certificateOf(client: pg.Client): string {
  const { connection } = client as unknown as { readonly connection: { readonly stream: TLSSocket } };
  return connection.stream.getPeerCertificate().fingerprint256;
}

function sessionOf({ pid, address, port, account }: SessionRow): ObservedSession {
  return {
    serverId: pid,
    ...(account !== null && { user: account }),
    // No address, or port -1: a Unix socket.
    ...(address !== null && port !== null && port >= 0 && { peer: formatAddress({ host: address, port }) }),
  };
}

/** An error that comes of closing concerns nobody any more. */
function close(client: pg.Client): void {
  client.on('error', () => undefined);
  client.end().catch(() => undefined);
}
