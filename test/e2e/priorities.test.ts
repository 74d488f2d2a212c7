/** I5: who gets a slot that becomes free. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { postgresSession } from './sessions.js';

const account = { user: 'ann', password: 'correct horse', database: 'orders' };

let orders: Protected<Postgres>;
let shared: Protected<Postgres>;
let sluice: Sluice;

before(async () => {
  const server = { accounts: [{ name: account.user, password: account.password }], databases: ['orders'] };
  [orders, shared] = await Promise.all([
    protectedPostgres('orders', { budget: 1, ...server }),
    protectedPostgres('shared', { budget: 2, ...server }),
  ]);
  const patient = { timeout_ms: 60_000 };
  sluice = await Sluice.start({
    databases: { orders, shared },
    services: {
      batch: { database: 'orders', max_connections: 1, priority: 0, ...patient },
      checkout: { database: 'orders', max_connections: 1, priority: 10, ...patient },
      greedy: { database: 'shared', max_connections: 2, priority: 10, ...patient },
      modest: { database: 'shared', max_connections: 2, priority: 0, guaranteed: 1, ...patient },
    },
  });
});

after(stopEverything);

test('the higher priority is served first, and within one priority who came first', {
  timeout: 60_000,
}, async () => {
  const holder = await postgresSession(sluice, 'batch', account);
  const served: string[] = [];
  const waiting: Promise<void>[] = [];
  const queue = async (service: string, number: number) => {
    const turn = async () => {
      const session = await postgresSession(sluice, service, account);
      served.push(`${service} ${number}`);
      await session.end();
    };
    waiting.push(turn());
    await sluice.brain.waitForWaiters(service, number);
  };
  for (const number of [1, 2, 3]) await queue('batch', number);
  for (const number of [1, 2, 3]) await queue('checkout', number);

  await holder.end();
  await Promise.all(waiting);
  assert.deepEqual(served, ['checkout 1', 'checkout 2', 'checkout 3', 'batch 1', 'batch 2', 'batch 3']);
});

test('a guaranteed share is there when it asks, whatever the priority of others', {
  timeout: 60_000,
}, async () => {
  const first = await postgresSession(sluice, 'greedy', account);
  const second = postgresSession(sluice, 'greedy', account);
  await sluice.brain.waitForWaiters('greedy', 1);

  const modest = await postgresSession(sluice, 'modest', account);
  await modest.end();

  await sluice.brain.waitForWaiters('greedy', 1);
  await first.end();
  await (await second).end();
});
