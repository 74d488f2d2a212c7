/** I1 while a service moves between two databases, and servers between two names, in a flood: neither has room for one more. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import { Envoy } from '../harness/envoy.js';
import { peakWhile } from '../harness/peak.js';
import type { Postgres } from '../harness/postgres.js';
import { observer, type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Relay } from '../harness/relay.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { backendOf, type Fate, fateOf, postgresSession } from './sessions.js';

const account = { user: 'ann', password: 'correct horse', database: 'app' };
const budget = 6;
const clientsEach = 20;
const moves = 12;

let orders: Protected<Postgres>;
let users: Protected<Postgres>;
let sluice: Sluice;

after(stopEverything);

/** @param reserve what is kept for the harness's own session and the observer's */
async function begin(reserve: number): Promise<void> {
  const start = (name: string) =>
    protectedPostgres(name, {
      ...{ budget, reserve },
      accounts: [{ name: account.user, password: account.password }],
      databases: [account.database],
    });
  [orders, users] = await Promise.all([start('orders'), start('users')]);
  const patient = { max_connections: budget, max_queue: 100, timeout_ms: 60_000 };
  sluice = await Sluice.start({
    databases: { orders, users },
    services: {
      wanderer: { database: 'orders', ...patient },
      'of-orders': { database: 'orders', ...patient },
      'of-users': { database: 'users', ...patient },
    },
  });
}

async function noSlotIsTaken(): Promise<void> {
  for (const service of ['wanderer', 'of-orders', 'of-users']) await sluice.brain.waitForTaken(service, 0);
}

/** Clients come and go, to all services, until `work` is over. */
async function crowded(work: (served: () => number) => Promise<void>): Promise<readonly Fate[]> {
  const fates: Fate[] = [];
  const served = (): number => fates.filter((fate) => fate.served).length;
  let isOver = false;
  const client = async (service: string): Promise<void> => {
    while (!isOver)
      fates.push(
        await fateOf(async () => {
          const session = await postgresSession(sluice, service, account);
          await session.query('SELECT pg_sleep(0.02)');
          await session.end();
        }),
      );
  };
  const clients = ['wanderer', 'of-orders', 'of-users'].flatMap((service) =>
    Array.from({ length: clientsEach }, () => client(service)),
  );
  await work(served).finally(() => {
    isOver = true;
  });
  await Promise.all(clients);
  return fates;
}

async function judged(change: (round: number) => Promise<void>): Promise<readonly Fate[]> {
  const { peak: atOrders, result } = await peakWhile(
    () => orders.server.count(undefined, [observer]),
    () =>
      peakWhile(
        () => users.server.count(undefined, [observer]),
        () =>
          crowded(async (served) => {
            for (let round = 1; round <= moves; round += 1) {
              const goal = served() + 40;
              await waitUntil('clients are served', () => served() >= goal);
              await change(round);
            }
          }),
      ),
  );
  assert.deepEqual([atOrders, result.peak], [budget, budget]);
  for (const { server } of [orders, users]) assert.equal(server.hasSaidTooMany, false, server.log);
  return result.result;
}

/** In the moment of a change a client's leave may be for what its node has no more; it may try again at once. */
function assertFates(fates: readonly Fate[]): void {
  const codes = fates.flatMap((fate) => (fate.served ? [] : [fate.code]));
  assert.deepEqual(
    [...new Set(codes)].filter((code) => code !== '57P03'),
    [],
  );
  assert.ok(codes.length <= moves * 2, `${codes.length} of ${fates.length} are refused`);
}

test('a service moves back and forth in a flood, and neither database ever counts more than its budget', {
  timeout: 120_000,
}, async (context) => {
  // Not one session more than the budget fits in.
  await begin(2);
  const stays = await postgresSession(sluice, 'wanderer', account);
  const backend = await backendOf(stays);
  const fates = await judged((round) =>
    sluice.change((spec) => {
      spec.services!.wanderer!.database = round % 2 === 0 ? 'orders' : 'users';
    }),
  );
  const refused = fates.filter((fate) => !fate.served).length;
  context.diagnostic(`${moves} moves: ${fates.length} clients, ${refused} refused`);
  assertFates(fates);
  // It is where it was, though its cluster is gone, and came back as another.
  assert.equal(await backendOf(stays), backend);
  await stays.end();
  await noSlotIsTaken();
});

test('leave that is under way while its service moves opens nothing at the new database, which is full', {
  timeout: 120_000,
}, async () => {
  await begin(2);
  await sluice.envoy.stop();
  const relay = await Relay.start(sluice.brain.xds);
  const edge = await Envoy.start({ node: 'edge-2', xds: relay, channel: sluice.brain.channel, workers: 1 });
  await edge.waitForListener('pg');
  const full = await Promise.all(
    Array.from({ length: budget }, () => postgresSession(sluice, 'of-users', account)),
  );
  let texts: readonly string[] = [];
  // Where the machine is so slow that leave runs out before the spec is changed, nothing is shown by it.
  while (!texts.some((text) => text.includes('no server for cluster'))) {
    if (sluice.file.spec.services!.wanderer!.database !== 'orders')
      await sluice.change((spec) => {
        spec.services!.wanderer!.database = 'orders';
      });
    await (await postgresSession(sluice, 'wanderer', account)).end();
    relay.holdAnswers();
    const coming = Promise.allSettled([1, 2].map(() => postgresSession(sluice, 'wanderer', account)));
    await waitUntil('leave is given', async () => {
      const { services } = await sluice.brain.status();
      return services.find(({ service }) => service === 'wanderer')!.granted === 2;
    });
    await sluice.change((spec) => {
      spec.services!.wanderer!.database = 'users';
    });
    relay.mend();
    const fates = await coming;
    assert.equal(users.server.hasSaidTooMany, false, users.server.log);
    texts = fates.map((fate) => (fate.status === 'rejected' ? String(fate.reason) : 'served'));
    for (const text of texts) assert.match(text, /no server for cluster|the grant expired/);
  }
  assert.equal(await users.server.count(undefined, [observer]), budget);
  for (const session of full) await session.end();
  await noSlotIsTaken();
});

test('two databases change servers with each other in a flood, and no server ever counts more than its budget', {
  timeout: 120_000,
}, async (context) => {
  // An observer comes to a server while the other one's has yet to leave it.
  await begin(3);
  const fates = await judged(() =>
    sluice.change((spec) => {
      const { orders: one, users: other } = spec.databases;
      [one!.endpoints, other!.endpoints] = [other!.endpoints, one!.endpoints];
    }),
  );
  const refused = fates.filter((fate) => !fate.served).length;
  context.diagnostic(`${moves} swaps: ${fates.length} clients, ${refused} refused`);
  assertFates(fates);
  await noSlotIsTaken();
});
