/** I1 and I6: a limit moves while clients come and go; no session is dropped, the database never counts too many. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { atEnd, stopEverything } from '../harness/ending.js';
import { peakWhile } from '../harness/peak.js';
import type { Postgres } from '../harness/postgres.js';
import { observer, type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { Load } from './load.js';
import { backendOf, postgresSession } from './sessions.js';

const account = { user: 'ann', password: 'correct horse', database: 'orders' };

let orders: Protected<Postgres>;
let sluice: Sluice;
let load: Load;

before(async () => {
  orders = await protectedPostgres('orders', {
    budget: 12,
    accounts: [{ name: account.user, password: account.password }],
    databases: ['orders'],
  });
  sluice = await Sluice.start({
    databases: { orders },
    services: { checkout: { database: 'orders', max_connections: 4, timeout_ms: 60_000 } },
  });
  // More of them than there are ever slots.
  load = new Load(24, async () => {
    const session = await postgresSession(sluice, 'checkout', account);
    await session.query('SELECT pg_sleep(0.03)');
    await session.end();
  });
  await atEnd(() => load.stop());
});

after(stopEverything);

const count = () => orders.server.count(undefined, [observer]);

const resizeTo = (limit: number) =>
  sluice.change((spec) => {
    spec.services!.checkout!.max_connections = limit;
  });

test('a limit grows and shrinks under load', { timeout: 90_000 }, async () => {
  const steady = await peakWhile(count, () => load.serve(60));
  assert.equal(steady.peak, 4);

  const growing = await peakWhile(count, () => resizeTo(9));
  assert.ok(growing.peak <= 9, `${growing.peak} sessions while growing to 9`);
  const grown = await peakWhile(count, () => load.serve(100));
  assert.equal(grown.peak, 9);

  const shrinking = await peakWhile(count, () => resizeTo(3));
  assert.ok(shrinking.peak <= 9, `${shrinking.peak} sessions while shrinking from 9`);
  await sluice.brain.waitForAtMost('checkout', 3);
  const shrunk = await peakWhile(count, () => load.serve(60));
  assert.equal(shrunk.peak, 3);

  assert.deepEqual(load.problems, []);
  assert.equal(orders.server.hasSaidTooMany, false, orders.server.log);
});

test('sessions above a shrunken limit live on, and nobody new is let in beside them', {
  timeout: 60_000,
}, async () => {
  await load.stop();
  await sluice.brain.waitForTaken('checkout', 0);
  assert.equal(sluice.file.spec.services!.checkout!.max_connections, 3);
  const held = await Promise.all([1, 2, 3].map(() => postgresSession(sluice, 'checkout', account)));
  const backends = await Promise.all(held.map(backendOf));

  await resizeTo(1);
  const next = postgresSession(sluice, 'checkout', account);
  await sluice.brain.waitForWaiters('checkout', 1);
  assert.deepEqual(await Promise.all(held.map(backendOf)), backends);

  await held[0]!.end();
  await held[1]!.end();
  await waitUntil('only the third is left', async () => (await count()) === 1);
  await sluice.brain.waitForWaiters('checkout', 1);
  await held[2]!.end();
  await (await next).end();
});
