/** Which service a name means: wildcards, with certificates of their own, and names that move while clients connect. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type pg from 'pg';
import { stopEverything } from '../harness/ending.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { fateOf, postgresSession } from './sessions.js';

const account = { user: 'ann', password: 'correct horse', database: 'shop' };
const accounts = [{ name: account.user, password: account.password }];

/** Clients that connect at once, each again as soon as it was served. */
const workers = 6;
const budget = 12;

let orders: Protected<Postgres>;
let archive: Protected<Postgres>;
let sluice: Sluice;

before(async () => {
  [orders, archive] = (await Promise.all(
    ['orders', 'archive'].map((name) => protectedPostgres(name, { budget, accounts, databases: ['shop'] })),
  )) as [Protected<Postgres>, Protected<Postgres>];
  sluice = await Sluice.start({
    databases: { orders, archive },
    services: {
      blue: { database: 'orders', max_connections: budget, hostname: 'app.db.test' },
      green: { database: 'archive', max_connections: budget, hostname: 'next.db.test' },
    },
  });
});

after(stopEverything);

/** pg keeps its TLS socket to itself. */
function certificateOf(client: pg.Client): PeerCertificate {
  const { connection } = client as unknown as { readonly connection: { readonly stream: TLSSocket } };
  return connection.stream.getPeerCertificate();
}

/** The port of the server that a session is at. */
async function portOf(session: pg.Client): Promise<number> {
  const { rows } = await session.query<{ port: string }>('SHOW port');
  return Number(rows[0]!.port);
}

interface Visit {
  readonly fromMs: number;
  readonly toMs: number;
  readonly port: number;
}

/** Connects by this name as fast as it can be had, until `work` is done. Anybody who is not served fails the test. */
async function visitWhile(hostname: string, work: () => Promise<void>): Promise<readonly Visit[]> {
  const visits: Visit[] = [];
  let isOver = false;
  const worker = async () => {
    while (!isOver) {
      const fromMs = performance.now();
      const session = await postgresSession(sluice, '', account, { hostname });
      const port = await portOf(session);
      await session.end();
      visits.push({ fromMs, toMs: performance.now(), port });
    }
  };
  const all = Promise.all(Array.from({ length: workers }, worker));
  const served = async (count: number) => {
    while (visits.length < count) await Promise.race([all, new Promise((next) => setImmediate(next))]);
  };
  await Promise.race([all, served(20)]);
  await work();
  await Promise.race([all, served(visits.length + 20)]);
  isOver = true;
  await all;
  return visits;
}

/** Logins as the server's own log has them. */
function logins({ server }: Protected<Postgres>): number {
  return server.log.match(/connection authorized: user=ann/g)?.length ?? 0;
}

test('a hostname moves to a service of another database while clients connect: nobody is refused, each is at one of both', {
  timeout: 60_000,
}, async () => {
  const lasting = await postgresSession(sluice, '', account, { hostname: 'app.db.test' });
  assert.equal(await portOf(lasting), orders.server.port);
  const before = [logins(orders), logins(archive)] as const;
  let savedMs = 0;
  let inForceMs = 0;
  const visits = await visitWhile('app.db.test', async () => {
    savedMs = performance.now();
    await sluice.change((spec) => {
      spec.services!.blue!.hostname = 'former.db.test';
      spec.services!.green!.hostname = 'app.db.test';
    });
    inForceMs = performance.now();
  });
  const at = (port: number) => visits.filter((visit) => visit.port === port);
  assert.deepEqual(
    [logins(orders) - before[0], logins(archive) - before[1]],
    [at(orders.server.port).length, at(archive.server.port).length],
  );
  for (const { fromMs, toMs, port } of visits) {
    if (toMs < savedMs) assert.equal(port, orders.server.port);
    if (fromMs > inForceMs) assert.equal(port, archive.server.port);
  }
  assert.ok(
    at(orders.server.port).length >= 20 && at(archive.server.port).length >= 20,
    `${visits.length} visits`,
  );
  assert.equal(await portOf(lasting), orders.server.port);
  await lasting.end();
});

test('names within a wildcard are one service, with its certificate; an exact name that comes takes its own clients', {
  timeout: 60_000,
}, async () => {
  const certificate = await sluice.certificates.server('*.shop.example');
  await sluice.change((spec) => {
    spec.services!.shops = sluice.service('shops', {
      ...{ database: 'orders', max_connections: budget, hostname: '*.shop.example', certificate },
    });
  });
  const lasting = await postgresSession(sluice, '', account, { hostname: 'vip.shop.example' });
  assert.equal(certificateOf(lasting).subjectaltname, 'DNS:*.shop.example');
  for (const hostname of ['shop.example', 'a.b.shop.example', '*.shop.example'])
    assert.deepEqual(await refused(hostname), { served: false, code: '08004' }, hostname);

  const visits = await visitWhile('vip.shop.example', () =>
    sluice.change((spec) => {
      spec.services!.vip = sluice.service('vip', {
        ...{ database: 'archive', max_connections: budget, hostname: 'vip.shop.example', certificate },
      });
    }),
  );
  assert.equal(visits[0]!.port, orders.server.port);
  assert.equal(visits.at(-1)!.port, archive.server.port);
  const other = await postgresSession(sluice, '', account, { hostname: 'other.shop.example' });
  assert.equal(await portOf(other), orders.server.port);
  assert.equal(await portOf(lasting), orders.server.port);

  const back = await visitWhile('vip.shop.example', () =>
    sluice.change((spec) => {
      delete spec.services!.vip;
    }),
  );
  assert.equal(back[0]!.port, archive.server.port);
  assert.equal(back.at(-1)!.port, orders.server.port);
  for (const session of [other, lasting]) await session.end();
});

/** The listener's certificate is shown, which is none for these names: how they fare is what counts. */
function refused(hostname: string) {
  return fateOf(() => postgresSession(sluice, '', account, { hostname, verifies: false }));
}

test('when all is over, no slot is taken', async () => {
  for (const service of ['blue', 'green', 'shops']) await sluice.brain.waitForTaken(service, 0);
});
