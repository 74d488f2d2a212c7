/** I4: a client that leaves while it waits is noticed; it takes no slot and no database connection opens for it. */
import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';
import type mysql from 'mysql2';
import type pg from 'pg';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import type { Protected } from '../harness/protected-database.js';
import type { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { ann, annOfReports, ordersAndReports } from './orders-and-reports.js';
import { backendOf, mysqlSession, postgresClient, postgresSession } from './sessions.js';

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  const patient = { max_connections: 1, timeout_ms: 60_000 };
  ({ orders, reports, sluice } = await ordersAndReports({
    budgets: { orders: 1, reports: 8 },
    services: {
      checkout: { database: 'orders', ...patient },
      dashboard: { database: 'reports', ...patient },
    },
  }));
});

after(stopEverything);

/** What runs below a client's TLS, and the client. */
interface Waiter {
  readonly socket: net.Socket;
  readonly client: pg.Client;
}

const waysToLeave: Readonly<Record<string, (waiter: Waiter) => void>> = {
  'by FIN alone': ({ socket }) => socket.end(),
  'by close_notify and FIN': ({ client }) => connectionOf(client).stream.end(),
  'by RST': ({ socket }) => socket.resetAndDestroy(),
};

/** pg keeps the TLS socket to itself. */
function connectionOf(client: pg.Client): EventEmitter & { readonly stream: net.Socket } {
  return (client as unknown as { readonly connection: EventEmitter & { readonly stream: net.Socket } })
    .connection;
}

for (const [how, leave] of Object.entries(waysToLeave)) {
  test(`a waiting Postgres client leaves ${how}`, { timeout: 30_000 }, async () => {
    const holder = await postgresSession(sluice, 'checkout', ann);
    const openedBefore = openedSessions();
    const socket = new net.Socket();
    const client = postgresClient(sluice, 'checkout', ann, { stream: socket });
    client.connect().catch(() => {});
    await sluice.brain.waitForWaiters('checkout', 1);
    assert.equal(openedSessions(), openedBefore);

    leave({ socket, client });
    await sluice.brain.waitForWaiters('checkout', 0);
    await holder.end();

    // It would have been the leaver's turn first.
    const next = await postgresSession(sluice, 'checkout', ann);
    assert.equal(openedSessions(), openedBefore + 1);
    await next.end();
  });
}

test('a Postgres client that vanishes in mid-query keeps its slot until the database is done with it', {
  timeout: 30_000,
}, async () => {
  const socket = new net.Socket();
  const leaver = await postgresSession(sluice, 'checkout', ann, { stream: socket });
  const backend = await backendOf(leaver);
  leaver.query('SELECT pg_sleep(1.5)').catch(() => {});
  await waitUntil('the query runs', async () => {
    const sql = "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND state = 'active'";
    return (await orders.server.query(sql, [backend])).length === 1;
  });
  socket.resetAndDestroy();

  const next = await postgresSession(sluice, 'checkout', ann);
  assert.deepEqual(await orders.server.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [backend]), []);
  // The server has room for nobody beside the leaver: too early an admission would have failed.
  assert.equal(orders.server.hasSaidTooMany, false, orders.server.log);
  await next.end();
});

test('a Postgres client that breaks off as soon as it reads of a wrong password leaves no slot behind', {
  timeout: 30_000,
}, async () => {
  for (let time = 0; time < 20; time++) {
    const socket = new net.Socket();
    const wrong = { ...ann, password: 'wrong' };
    const client = postgresClient(sluice, 'checkout', wrong, { stream: socket });
    connectionOf(client).once('errorMessage', () => socket.resetAndDestroy());
    await assert.rejects(client.connect());
    // The budget is one: as long as the slot is kept, which the server's list cannot show to be free, nobody gets in.
    await (await postgresSession(sluice, 'checkout', ann)).end();
  }
});

test('a MySQL client that vanishes in mid-query keeps its slot until the database is done with it', {
  timeout: 30_000,
}, async () => {
  const socket = net.connect(sluice.ports.mysql, sluice.host);
  const leaver = await mysqlSession(sluice, 'dashboard', annOfReports, socket);
  const [[row]] = await leaver.query<mysql.RowDataPacket[]>('SELECT connection_id() AS id');
  const listed = () =>
    reports.server.query('SELECT info FROM information_schema.processlist WHERE id = ?', [row!.id]);
  leaver.query('SELECT sleep(1.5)').catch(() => {});
  await waitUntil('the query runs', async () => (await listed())[0]?.info !== null);
  socket.resetAndDestroy();

  const next = await mysqlSession(sluice, 'dashboard', annOfReports);
  assert.deepEqual(await listed(), []);
  await next.end();
});

/** As the server's log has it, before any login. */
function openedSessions(): number {
  return orders.server.log.match(/connection received/g)?.length ?? 0;
}

for (const [how, leave] of Object.entries({
  'by FIN': (socket: net.Socket) => socket.end(),
  'by RST': (socket: net.Socket) => socket.resetAndDestroy(),
})) {
  test(`a waiting MySQL client leaves ${how}`, { timeout: 30_000 }, async () => {
    const holder = await mysqlSession(sluice, 'dashboard', annOfReports);
    const openedBefore = await openedMariaDbSessions();
    const socket = net.connect(sluice.ports.mysql, sluice.host);
    mysqlSession(sluice, 'dashboard', annOfReports, socket).catch(() => {});
    await sluice.brain.waitForWaiters('dashboard', 1);

    leave(socket);
    await sluice.brain.waitForWaiters('dashboard', 0);
    await holder.end();

    const next = await mysqlSession(sluice, 'dashboard', annOfReports);
    assert.equal(await openedMariaDbSessions(), openedBefore + 1);
    await next.end();
  });
}

async function openedMariaDbSessions(): Promise<number> {
  const [row] = await reports.server.query<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Connections'");
  return Number(row!.Value);
}
