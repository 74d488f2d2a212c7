/**
 * Observing a MariaDB or MySQL server. The least that an account needs, because without it the server shows an
 * account only its own threads and says nothing of the others:
 *
 *   CREATE USER sluice_observer IDENTIFIED BY '…' WITH MAX_USER_CONNECTIONS 2;
 *   GRANT PROCESS ON *.* TO sluice_observer;
 *
 * Granted to the account itself: a role's privileges are not looked at.
 * https://mariadb.com/kb/en/information-schema-processlist-table/
 */
import { isIP, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import type { ObservedSession } from '../../pure/ledger/events.js';
import { formatAddress } from '../../pure/plan/address.js';
import type { Endpoint, ProxyVersion } from '../../pure/plan/plan.js';
import { type Approach, type Link, type LinkTls, type Login, nameOf, patience } from './link.js';
import { socketWithHeader } from './proxy-header.js';

const factsQuery = `
  SELECT VERSION() AS version, CONNECTION_ID() AS own, @@connect_timeout AS login_seconds,
         @@max_connections AS capacity,
         EXISTS (SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'PROCESS') AS may_observe`;

/** Threads of the server itself take no connection: daemons, and the appliers of a replica (`system user`). */
const sessionsQuery = `
  SELECT ID AS id, HOST AS host, USER AS account FROM information_schema.PROCESSLIST
   WHERE COMMAND <> 'Daemon' AND USER <> 'system user'`;

/** What the server holds against max_connections. */
const countQuery = `SHOW GLOBAL STATUS LIKE 'Threads_connected'`;

/** A session leaves the list a moment before it leaves the count. One that is in between for longer is something else. */
const inBetween = { times: 20, pauseMs: 5 } as const;

interface Facts {
  readonly version: string;
  readonly own: number;
  readonly login_seconds: number;
  readonly capacity: number;
  readonly may_observe: number;
}

interface SessionRow {
  readonly id: number;
  readonly host: string;
  readonly account: string;
}

export async function connectMysql(
  endpoint: Endpoint,
  login: Login,
  { proxyProtocol, tls }: Approach,
  mostMs: number,
): Promise<Link> {
  const connection = await mysql.createConnection({
    host: endpoint.host,
    port: endpoint.port,
    user: login.user,
    password: login.password(),
    connectTimeout: mostMs,
    connectAttributes: { program_name: 'sluice-observer' },
    enableKeepAlive: true,
    ...(proxyProtocol && { stream: () => dialled(endpoint, proxyProtocol) }),
    ...(tls && tlsOptions(endpoint, tls, proxyProtocol)),
  });
  // Nodes dial the same address: their family is this one's.
  const loopback = endpoint.host.includes(':') ? '::1' : '127.0.0.1';
  let broken: Error | undefined;
  connection.on('error', (error: Error) => {
    broken = error;
  });
  const ask = async <Row>(sql: string): Promise<Row[]> => {
    const [rows] = await connection.query({ sql, timeout: patience.answerMs });
    return rows as Row[];
  };
  try {
    const facts = (await ask<Facts>(factsQuery))[0]!;
    if (!facts.may_observe)
      throw new Error(`${login.user} may not see other sessions: expected it to be granted PROCESS`);
    return {
      facts: {
        version: facts.version,
        listsLogins: true,
        loginTimeoutMs: Number(facts.login_seconds) * 1000,
        namesLogins: false,
        capacity: Number(facts.capacity),
      },
      ownId: Number(facts.own),
      async list() {
        for (let time = 1; ; time++) {
          if (broken) throw broken;
          const rows = await ask<SessionRow>(sessionsQuery);
          const [count] = await ask<{ readonly Value: string }>(countQuery);
          if (Number(count?.Value) <= rows.length || time === inBetween.times)
            return { sessions: rows.map((row) => sessionOf(row, loopback)) };
          await pause(inBetween.pauseMs);
        }
      },
      close: () => connection.destroy(),
    };
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

function dialled({ host, port }: Endpoint, proxyProtocol: ProxyVersion | undefined): Socket {
  const socket = proxyProtocol ? socketWithHeader(proxyProtocol) : new Socket();
  return socket.connect(port, host);
}

/**
 * The driver verifies the name that it is given as host. For an address it gives Node no name at all, and Node falls
 * back on the host that the socket below has looked up.
 */
function tlsOptions(
  endpoint: Endpoint,
  tls: LinkTls,
  proxyProtocol: ProxyVersion | undefined,
): mysql.ConnectionOptions {
  const name = nameOf(endpoint, tls);
  const { ca } = tls;
  return {
    host: name,
    stream: () => Object.assign(dialled(endpoint, proxyProtocol), { _host: name }),
    ssl: {
      rejectUnauthorized: ca !== undefined,
      verifyIdentity: ca !== undefined,
      ...(ca && { ca: Buffer.from(ca) }),
    },
  };
}

/** What the server calls a client that has not logged in yet. */
const nobody = 'unauthenticated user';

/** HOST is `address:port`, or `name:port` where the server looks names up. */
function sessionOf({ id, host, account }: SessionRow, loopback: string): ObservedSession {
  const colon = host.lastIndexOf(':');
  const port = Number(host.slice(colon + 1));
  const name = host.slice(0, colon);
  // The server calls its own loopback peers by this name, whatever it was told about looking up names.
  const address = name === 'localhost' ? loopback : name;
  return {
    serverId: Number(id),
    ...(account !== nobody && { user: account }),
    ...(colon > 0 &&
      isIP(address) !== 0 &&
      Number.isInteger(port) && { peer: formatAddress({ host: address, port }) }),
  };
}
