/**
 * Ten thousand connections that never get further, and clients that send a byte a second: good clients are served
 * meanwhile, everybody is cut at the deadline, and Envoy's memory and descriptors are what they were.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import type { Protected } from '../harness/protected-database.js';
import { clientHello, RawClient } from '../harness/raw-client.js';
import { hostnameOf, type Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { handshakeResponse, mysqlSslRequest, parameters, sslRequest, startup } from './hostile.js';
import { ann, annOfReports, ordersAndReports } from './orders-and-reports.js';
import { mysqlSession, postgresSession } from './sessions.js';

/** Both ends of a connection are on this machine, each process with descriptors of its own. */
const openFiles = Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }));
const crowd = Math.min(10_000, openFiles - 500);

/** No greeting is shorter. */
const greetingBytes = 60;

/** Deadlines of the filters, with room for a busy machine. */
const deadlineMs = 10_000;
const graceMs = 5_000;

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  ({ orders, reports, sluice } = await ordersAndReports({
    budgets: { orders: 5, reports: 8 },
    services: {
      checkout: { database: 'orders', max_connections: 5 },
      dashboard: { database: 'reports', max_connections: 5 },
    },
  }));
});

after(stopEverything);

interface Footprint {
  readonly descriptors: number;
  /** Resident, of the process. */
  readonly residentMiB: number;
  /** Allocated and not given back, as Envoy itself counts. */
  readonly heapMiB: number;
  /** Clients, those before their TLS included. */
  readonly clients: number;
}

async function footprint(): Promise<Footprint> {
  const { pid } = sluice.envoy;
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1];
  const stats = await sluice.envoy.stats('^listener\\.[^a][^.]*\\..*downstream_(pre_)?cx_active$');
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    residentMiB: Math.round(Number(resident) / 1024),
    heapMiB: Math.round((await sluice.envoy.heapBytes()) / 2 ** 20),
    clients: Object.entries(stats).reduce(
      (sum, [name, value]) => (name.includes('.worker_') ? sum : sum + value),
      0,
    ),
  };
}

/** How far each of the crowd gets; the last thing that it sends leaves the other end waiting for more. */
async function halfOpen(kind: number, hello: Buffer): Promise<RawClient> {
  const client = await RawClient.connect({
    host: sluice.host,
    port: sluice.ports[kind === 3 ? 'mysql' : 'pg'],
  });
  if (kind === 0) return client;
  if (kind === 3) {
    await client.send(mysqlSslRequest());
    return client;
  }
  await client.send(sslRequest);
  await client.until(1);
  if (kind === 2) await client.send(hello.subarray(0, hello.length / 2));
  return client;
}

/** All of the crowd at once, each as far as it gets. */
async function gather(): Promise<readonly RawClient[]> {
  const hello = await clientHello(hostnameOf('checkout'));
  const clients: RawClient[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: 200 }, async () => {
      while (next < crowd) {
        next += 1;
        clients.push(await halfOpen(next % 4, hello));
      }
    }),
  );
  return clients;
}

const released = (base: Footprint) =>
  waitUntil('Envoy has let go of them', async () => {
    const now = await footprint();
    return now.clients === 0 && now.descriptors <= base.descriptors + 20 && now;
  });

test(`${crowd} half-open handshakes hold nobody up and leave nothing behind`, {
  timeout: 120_000,
}, async (t) => {
  const good = async () => {
    await (await postgresSession(sluice, 'checkout', ann)).end();
    await (await mysqlSession(sluice, 'dashboard', annOfReports)).end();
  };
  await good();
  const opened = await everOpened();
  const base = await footprint();
  const startedMs = performance.now();
  const clients = await gather();
  const full = await footprint();
  const openedMs = performance.now() - startedMs;
  const goodMs = performance.now();
  await good();
  t.diagnostic(`good clients of both protocols meanwhile: ${Math.round(performance.now() - goodMs)} ms`);

  await Promise.all(clients.map((client) => client.closed()));
  const cutMs = performance.now() - startedMs;
  const after = await released(base);
  t.diagnostic(`opened in ${Math.round(openedMs)} ms, all cut after ${Math.round(cutMs)} ms`);
  for (const [when, what] of Object.entries({ base, full, after }))
    t.diagnostic(`${when}: ${JSON.stringify(what)}`);
  // On a machine so busy that it takes longer than the deadline to open them, the first are gone before the last come.
  assert.ok(full.clients >= (openedMs < deadlineMs ? crowd : crowd / 2), `${full.clients} at once`);
  assert.ok(cutMs < openedMs + deadlineMs + graceMs, `${cutMs} ms`);
  assert.ok(full.heapMiB - base.heapMiB < (crowd * bytesEach) / 2 ** 20, 'memory while they are there');
  assert.ok(after.heapMiB - base.heapMiB < 8, 'memory afterwards');
  // The good ones, and nobody else.
  assert.deepEqual(
    await everOpened(),
    opened.map((count) => count + 1),
  );
});

/** A connection that is not yet past TLS may take this much of Envoy's heap. */
const bytesEach = 32 * 1024;

/** Sessions that the databases have ever had. */
async function everOpened(): Promise<readonly number[]> {
  const [row] = await reports.server.query<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Connections'");
  return [orders.server.log.match(/connection authorized: user=ann/g)?.length ?? 0, Number(row!.Value)];
}

test('a byte a second is too slow at every stage, and is cut at its deadline', {
  timeout: 60_000,
}, async (t) => {
  const opened = await everOpened();
  const hello = await clientHello(hostnameOf('checkout'));
  const pg = { host: sluice.host, port: sluice.ports.pg };
  const mysql = { host: sluice.host, port: sluice.ports.mysql };
  const trust = { ca: sluice.certificates.caText };
  const stages: Readonly<Record<string, () => Promise<readonly [RawClient, Buffer]>>> = {
    'a Postgres TLS request': async () => [await RawClient.connect(pg), Buffer.alloc(64, sslRequest)],
    'a TLS hello behind it': async () => {
      const client = await RawClient.connect(pg);
      await client.send(sslRequest);
      await client.until(1);
      return [client, hello];
    },
    'a direct TLS hello': async () => [await RawClient.connect(pg), hello],
    'a Postgres StartupMessage': async () => {
      const client = await RawClient.connect(pg);
      await client.send(sslRequest);
      await client.until(1);
      await client.startTls({ ...trust, servername: hostnameOf('checkout') });
      return [client, startup(parameters('user', 'ann', 'database', 'orders'))];
    },
    'a MySQL TLS request': async () => [await RawClient.connect(mysql), mysqlSslRequest()],
    'a MySQL response': async () => {
      const client = await RawClient.connect(mysql);
      await client.until(greetingBytes);
      await client.send(mysqlSslRequest());
      await client.startTls({ ...trust, servername: hostnameOf('dashboard') });
      return [client, handshakeResponse()];
    },
  };
  await Promise.all(
    Object.entries(stages).map(async ([stage, begin]) => {
      const fromMs = performance.now();
      const [client, bytes] = await begin();
      let sent = 0;
      while (!client.isClosed && sent < bytes.length) {
        await client.send(bytes.subarray(sent, sent + 1));
        sent += 1;
        // The slowness itself is what is tested.
        await Promise.race([pause(1000), client.closed()]);
      }
      const tookMs = performance.now() - fromMs;
      t.diagnostic(`${stage}: cut after ${Math.round(tookMs)} ms and ${sent} bytes`);
      assert.ok(client.isClosed && tookMs < deadlineMs + graceMs, `${stage}: ${tookMs} ms`);
    }),
  );
  assert.deepEqual(await everOpened(), opened);
});

/** Envoy's own deadline for TLS and the filters' are one and the same, and these clients begin with TLS. */
test('handshakes that Envoy and a filter cut at the same instant leave every worker at work', {
  timeout: 60_000,
}, async () => {
  const hello = await clientHello(hostnameOf('checkout'));
  const clients: RawClient[] = [];
  for (let i = 0; i < 400; i += 1) {
    const client = await RawClient.connect({ host: sluice.host, port: sluice.ports.pg });
    await client.send(hello);
    clients.push(client);
  }
  await Promise.all(clients.map((client) => client.closed()));
  // Newcomers fall to one worker or the other.
  const base = await footprint();
  await Promise.all(
    Array.from({ length: 8 }, async () => (await postgresSession(sluice, 'checkout', ann)).end()),
  );
  assert.equal((await footprint()).clients, base.clients);
});

test('a name that a stranger makes up costs a node little, and there is a bound on them', {
  timeout: 60_000,
}, async (t) => {
  const names = 400;
  const base = await footprint();
  let next = 0;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (next < names) {
        next += 1;
        const client = await RawClient.connect({ host: sluice.host, port: sluice.ports.pg });
        await client.send(sslRequest);
        await client.until(1);
        await client.startTls({ servername: `made-up-${next}.example`, rejectUnauthorized: false });
        client.reset();
      }
    }),
  );
  const after = await footprint();
  const kibEach = ((after.heapMiB - base.heapMiB) * 1024) / names;
  t.diagnostic(
    `${names} names: heap ${base.heapMiB} → ${after.heapMiB} MiB, ${kibEach.toFixed(0)} KiB each; RSS ${base.residentMiB} → ${after.residentMiB} MiB`,
  );
  assert.ok(kibEach < 128, `${kibEach} KiB each`);
});
