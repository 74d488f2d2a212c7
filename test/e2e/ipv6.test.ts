/** Everything over IPv6: brain, node, clients and databases on ::1; and a listener that takes both families. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import mysql from 'mysql2';
import pg from 'pg';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import { ownAddress, sharedPort, sharedV6 } from '../harness/own-address.js';
import { peakWhile } from '../harness/peak.js';
import type { Postgres } from '../harness/postgres.js';
import {
  observer,
  type Protected,
  protectedMariaDb,
  protectedPostgres,
} from '../harness/protected-database.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { type Fate, fateOf } from './sessions.js';

const password = 'correct horse';
const accounts = [{ name: 'ann', password }];
const budget = 8;

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;
/** On ::1 alone. */
let pgPort: number;
/** On every address of both families. */
let mysqlPort: number;

before(async () => {
  [pgPort, mysqlPort] = [await sharedPort(), await sharedPort()];
  const [ordersPort, reportsPort] = [await sharedPort(), await sharedPort()];
  [orders, reports] = await Promise.all([
    protectedPostgres('orders', {
      ...{ budget, accounts, databases: ['orders'], port: ordersPort },
      settings: { listen_addresses: `${ownAddress},${sharedV6}` },
    }),
    protectedMariaDb('reports', {
      ...{ budget, accounts, databases: ['reports'], port: reportsPort },
      settings: { 'bind-address': `${ownAddress},${sharedV6}` },
    }),
  ]);
  const onV6 = <T extends Protected<Postgres | MariaDb>>(database: T, host: string) => ({
    ...database,
    input: { ...database.input, endpoints: [{ host, port: database.server.port }] },
  });
  sluice = await Sluice.start({
    xdsHost: sharedV6,
    databases: { orders: onV6(orders, '0:0:0:0:0:0:0:1'), reports: onV6(reports, sharedV6) },
    services: {
      six: { database: 'orders', max_connections: budget, max_queue: 100, allow: [{ cidr: '::1/128' }] },
      four: { database: 'orders', max_connections: 1, allow: [{ cidr: '127.0.0.0/8' }] },
      'six-sql': { database: 'reports', max_connections: 4, allow: [{ cidr: '::1/128' }] },
      'four-sql': { database: 'reports', max_connections: 2, allow: [{ cidr: '127.0.0.0/8' }] },
      'mapped-sql': { database: 'reports', max_connections: 2, allow: [{ cidr: '::ffff:127.0.0.0/104' }] },
    },
    listeners: {
      pg: { address: `[${sharedV6}]:${pgPort}` },
      mysql: { address: `[::]:${mysqlPort}` },
    },
  });
});

after(stopEverything);

async function postgres(service: string): Promise<pg.Client> {
  const client = new pg.Client({
    ...{ host: sharedV6, port: pgPort, user: 'ann', password, database: 'orders' },
    ssl: { ca: sluice.certificates.caText, servername: hostnameOf(service) },
  });
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function mariadb(service: string, host: string): Promise<mysql.Connection> {
  const connection = mysql.createConnection({
    host: hostnameOf(service),
    stream: net.connect(mysqlPort, host),
    ...{ user: 'ann', password, database: 'reports' },
    ssl: { ca: sluice.certificates.caText, verifyIdentity: true },
  });
  connection.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error ? reject(error) : resolve()));
  });
  return connection;
}

const served: Fate = { served: true };

test('a Postgres client on ::1 is who it is, and its session is joined by the address that the server shows', {
  timeout: 30_000,
}, async () => {
  assert.deepEqual(await fateOf(async () => (await postgres('four')).end()), {
    served: false,
    code: '28000',
  });
  const session = await postgres('six');
  const { rows } = await session.query('SELECT host(inet_client_addr()) AS address, pg_backend_pid() AS pid');
  assert.equal(rows[0].address, sharedV6);
  await sluice.brain.waitForTaken('six', 1);
  const status = await waitUntil('the session is joined', async () => {
    const { targets } = await sluice.brain.status();
    const target = targets.find(({ target: name }) => name === 'orders/primary')!;
    return target.total === 1 && target.unclaimed === 0 && target;
  });
  assert.deepEqual(status.endpoints, [`[${sharedV6}]:${orders.server.port}`]);
  await waitUntil('its node has reported the server’s own number, too', async () => {
    const sessions = await sluice.brain.sessions();
    return sessions.rows.length === 1 && sessions.rows[0]!.server_id === rows[0].pid;
  });
  await session.end();
  await sluice.brain.waitForTaken('six', 0);
});

test('[::] takes both families, and an IPv4 client is its IPv4 address there', {
  timeout: 30_000,
}, async () => {
  const fate = (service: string, host: string) =>
    fateOf(async () => (await mariadb(service, host)).destroy());
  const refused = { served: false, code: 1045 };
  assert.deepEqual(await fate('six-sql', sharedV6), served);
  assert.deepEqual(await fate('six-sql', '127.0.0.1'), refused);
  assert.deepEqual(await fate('four-sql', '127.0.0.1'), served);
  assert.deepEqual(await fate('mapped-sql', '127.0.0.1'), served);
  assert.deepEqual(await fate('four-sql', sharedV6), refused);
  for (const service of ['six-sql', 'four-sql', 'mapped-sql']) await sluice.brain.waitForTaken(service, 0);
});

test('a budget holds over IPv6: 40 clients, 8 slots, none is lost', { timeout: 60_000 }, async () => {
  const { peak } = await peakWhile(
    () => orders.server.count(undefined, [observer]),
    () => Promise.all(Array.from({ length: 40 }, async () => (await postgres('six')).end())),
  );
  assert.ok(peak <= budget, `${peak}`);
  assert.equal(orders.server.hasSaidTooMany, false, orders.server.log);
  await sluice.brain.waitForTaken('six', 0);
});

test('a session whose client vanishes over IPv6 gives its slot back', { timeout: 30_000 }, async () => {
  const socket = new net.Socket();
  const client = new pg.Client({
    ...{ host: sharedV6, port: pgPort, user: 'ann', password, database: 'orders' },
    stream: () => socket,
    ssl: { ca: sluice.certificates.caText, servername: hostnameOf('six') },
  });
  client.on('error', () => {});
  await client.connect();
  await sluice.brain.waitForTaken('six', 1);
  socket.resetAndDestroy();
  await sluice.brain.waitForTaken('six', 0);
});
