/** I4: a client that leaves while it waits is noticed; it takes no slot and no database connection opens for it. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { mysqlSession, postgresClient, postgresSession } from './sessions.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };
const annOfReports = { user: 'ann', password, database: 'reports' };

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  [orders, reports] = await Promise.all([
    protectedPostgres('orders', { budget: 1, accounts: [{ name: 'ann', password }], databases: ['orders'] }),
    protectedMariaDb('reports', { budget: 8, accounts: [{ name: 'ann', password }], databases: ['reports'] }),
  ]);
  const patient = { max_connections: 1, timeout_ms: 60_000 };
  sluice = await Sluice.start({
    databases: { orders, reports },
    services: {
      checkout: { database: 'orders', ...patient },
      dashboard: { database: 'reports', ...patient },
    },
  });
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
function connectionOf(client: pg.Client): { readonly stream: net.Socket } {
  return (client as unknown as { readonly connection: { readonly stream: net.Socket } }).connection;
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
