/** Somebody without a password: he holds few server connections, ever more seldom, and nobody else waits for him. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { fateOf, postgresClient, postgresSession } from './sessions.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };
/** Loopback has more than one address. */
const mallory = '127.9.9.9';
const budget = 8;
/** A quarter of it. */
const atOnce = 2;

let orders: Protected<Postgres>;
let sluice: Sluice;

before(async () => {
  orders = await protectedPostgres('orders', {
    budget,
    accounts: [{ name: 'ann', password }],
    databases: ['orders'],
  });
  sluice = await Sluice.start({
    databases: { orders },
    services: {
      checkout: { database: 'orders', max_connections: budget, max_queue: 200, timeout_ms: 60_000 },
      crowded: { database: 'orders', max_connections: budget, max_queue: 100, timeout_ms: 60_000 },
    },
  });
});

after(stopEverything);

/** A socket from another address. */
function socketOf(localAddress: string): net.Socket {
  const socket = new net.Socket();
  const connect = socket.connect.bind(socket);
  socket.connect = ((port: number, host: string) =>
    connect({ port, host, localAddress })) as typeof socket.connect;
  return socket;
}

test('clients that begin a login and never end it have few slots, and others are served beside them', {
  timeout: 60_000,
}, async () => {
  const sockets = Array.from({ length: 20 }, () => {
    const socket = socketOf(mallory);
    const client = postgresClient(sluice, 'checkout', ann, { stream: socket });
    // The server asks for a password, and is told nothing more.
    const connection = (client as unknown as { connection: net.Socket }).connection;
    connection.on('authenticationSASL', () => connection.removeAllListeners('authenticationSASL'));
    (client as unknown as { _handleAuthSASL(): void })._handleAuthSASL = () => undefined;
    client.connect().catch(() => undefined);
    return socket;
  });
  await sluice.brain.waitForTaken('checkout', atOnce);
  await sluice.brain.waitForWaiters('checkout', 20 - atOnce);
  for (let i = 0; i < 30; i += 1) {
    const session = await postgresSession(sluice, 'checkout', ann);
    await session.end();
  }
  const { rows } = await sluice.brain.waiting();
  assert.ok(rows.length > 0, 'nobody stood aside while the others were served');
  for (const socket of sockets) socket.resetAndDestroy();
  await sluice.brain.waitForWaiters('checkout', 0);
  assert.equal(orders.server.hasSaidTooMany, false, orders.server.log);
});

test('wrong passwords in a row are let through ever more seldom, a right one from elsewhere at once', {
  timeout: 60_000,
}, async () => {
  let tried = 0;
  let isOver = false;
  const guess = async (): Promise<void> => {
    while (!isOver) {
      const fate = await fateOf(() =>
        postgresSession(sluice, 'checkout', { ...ann, password: 'wrong' }, { stream: socketOf(mallory) }),
      );
      assert.deepEqual(fate, { served: false, code: '28P01' });
      tried += 1;
    }
  };
  const since = performance.now();
  const guessing = Promise.all([guess(), guess()]);
  await waitUntil('the guesser stands aside', async () => (await sluice.brain.waiting()).rows.length > 0);
  const session = await postgresSession(sluice, 'checkout', ann);
  await session.end();
  await waitUntil('four seconds of guessing are over', () => performance.now() - since > 4_000);
  isOver = true;
  // 5 for nothing, then after 250, 500, 1000 and 2000 ms; two at once each time.
  assert.ok(tried <= 2 * 9 + 5, `${tried} guesses in four seconds`);
  await guessing;
});

test('two hundred with wrong passwords fill the queue, and forty honest clients from elsewhere all get in', {
  timeout: 60_000,
}, async () => {
  const sockets = Array.from({ length: 200 }, () => socketOf(mallory));
  const said: string[] = [];
  for (const stream of sockets)
    void postgresSession(sluice, 'crowded', { ...ann, password: 'wrong' }, { stream }).catch((error: Error) =>
      said.push(error.message),
    );
  await waitUntil('the queue is full', () => said.some((text) => / logins from this address /.test(text)));
  const fates = await Promise.all(
    Array.from({ length: 40 }, () =>
      fateOf(async () => {
        const session = await postgresSession(sluice, 'crowded', ann);
        await session.end();
        return session;
      }),
    ),
  );
  assert.deepEqual(
    fates.filter(({ served }) => !served),
    [],
  );
  assert.ok(said.some((text) => text.includes('too many of them by clients from this address; waited ')));
  for (const socket of sockets) socket.resetAndDestroy();
  await sluice.brain.waitForWaiters('crowded', 0);
  assert.equal(orders.server.hasSaidTooMany, false, orders.server.log);
});
