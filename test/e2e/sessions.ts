/** Sessions that a test holds itself, through Sluice, by service. */

import { readFileSync } from 'node:fs';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import mysql from 'mysql2';
import type { Connection } from 'mysql2/promise';
import pg from 'pg';
import type { Certificate } from '../harness/certificates.js';
import { hostnameOf, type Sluice } from '../harness/sluice.js';

export interface Account {
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface PostgresOptions {
  /** Shown to the service, where it asks for one. */
  readonly certificate?: Certificate;
  /** The connection below TLS, already open; by default a socket of the client's own. */
  readonly stream?: Duplex & { connect(port: number, host: string): unknown };
  /** What it sends as SNI instead of the service's host name. */
  readonly hostname?: string;
  /** Whether the server's certificate must be for that name; yes unless said otherwise. */
  readonly verifies?: boolean;
}

/** A client that has yet to `connect()`; the name goes as SNI and is verified, though the address is given. */
export function postgresClient(
  sluice: Sluice,
  service: string,
  { user, password, database }: Account,
  { certificate, stream, hostname = hostnameOf(service), verifies = true }: PostgresOptions = {},
): pg.Client {
  const client = new pg.Client({
    host: sluice.host,
    port: sluice.ports.pg,
    ...{ user, password, database },
    application_name: service,
    ...(stream && { stream: () => stream as net.Socket }),
    ssl: {
      ca: sluice.certificates.caText,
      servername: hostname,
      rejectUnauthorized: verifies,
      ...(certificate && { cert: readFileSync(certificate.chain), key: readFileSync(certificate.key) }),
    },
  });
  // What breaks between two queries fails the next one, too.
  client.on('error', () => {});
  return client;
}

/** A session that is open. */
export async function postgresSession(...args: Parameters<typeof postgresClient>): Promise<pg.Client> {
  const client = postgresClient(...args);
  await client.connect();
  return client;
}

/** @param socket below TLS, connecting; by default one of the client's own */
export async function mysqlSession(
  sluice: Sluice,
  service: string,
  { user, password, database }: Account,
  socket = net.connect(sluice.ports.mysql, sluice.host),
): Promise<Connection> {
  const connection = mysql.createConnection({
    host: hostnameOf(service),
    stream: socket,
    ...{ user, password, database },
    ssl: { ca: sluice.certificates.caText, verifyIdentity: true },
    // Longer than a node waits for a brain that stays dead.
    connectTimeout: 150_000,
  });
  connection.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error ? reject(error) : resolve()));
  });
  return connection.promise();
}

/** The server's own number for this session. */
export async function backendOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]!.pid;
}

/** How a client fared, when being turned away is an answer. */
export type Fate = { readonly served: true } | { readonly served: false; readonly code: string | number };

/** @throws what is no answer of a server: a broken connection, a bug. */
export async function fateOf(work: () => Promise<unknown>): Promise<Fate> {
  try {
    await work();
    return { served: true };
  } catch (error) {
    const { errno, code } = error as { errno?: number; code?: string };
    if (typeof errno === 'number' && errno >= 1000) return { served: false, code: errno };
    if (/^[0-9A-Z]{5}$/.test(code ?? '')) return { served: false, code: code! };
    throw error;
  }
}

/** Comes, stays for a fifth of a second, and goes. */
export function visitOf(...client: Parameters<typeof postgresClient>): Promise<Fate> {
  return fateOf(async () => {
    const session = await postgresSession(...client);
    await session.query('SELECT pg_sleep(0.2)');
    await session.end();
  });
}
