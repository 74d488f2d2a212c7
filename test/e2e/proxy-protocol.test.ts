/**
 * The PROXY protocol on both sides: from a load balancer to Envoy (who the client is then decides `allow`), and from
 * Envoy to a server (what the database then shows joins nothing that it is not).
 */
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import mysql from 'mysql2';
import pg from 'pg';
import { stopEverything } from '../harness/ending.js';
import { HaProxy } from '../harness/haproxy.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { localHeader, type Peers, proxyHeader, socketBeginningWith } from '../harness/proxy-header.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { type Fate, fateOf } from './sessions.js';

const password = 'correct horse';
const accounts = [{ name: 'ann', password }];
const budget = 8;

/** Where the load balancers of this test connect from. */
const balancer = '127.0.0.9';

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
/** Stands before `orders` and demands a header, as Postgres itself knows none. */
let guard: HaProxy;
/** Stands before Envoy. */
let front: HaProxy;
let sluice: Sluice;

before(async () => {
  [orders, reports] = await Promise.all([
    protectedPostgres('orders', { budget, accounts, databases: ['orders'] }),
    protectedMariaDb('reports', {
      ...{ budget, accounts, databases: ['reports'] },
      settings: { 'proxy-protocol-networks': '127.0.0.0/8' },
    }),
  ]);
  guard = await HaProxy.start({ name: 'guard', to: orders.server, demands: true });
  const behindGuard = {
    ...orders.input,
    endpoints: [{ host: guard.host, port: guard.port }],
    proxy_protocol: 'v1' as const,
  };
  const allow = [{ cidr: '192.0.2.0/24' }, { cidr: '2001:db8::/32' }];
  const proxy_protocol = { from: [`${balancer}/32`] };
  sluice = await Sluice.start({
    databases: {
      orders: { ...orders, input: behindGuard },
      reports: { ...reports, input: { ...reports.input, proxy_protocol: 'v2' } },
    },
    services: {
      checkout: { database: 'orders', max_connections: budget, max_queue: 100, timeout_ms: 60_000, allow },
      balanced: { database: 'orders', max_connections: 1, allow: [{ cidr: '127.0.0.0/8' }] },
      dashboard: { database: 'reports', max_connections: budget, allow },
    },
    listeners: { pg: { proxy_protocol }, mysql: { proxy_protocol } },
  });
  front = await HaProxy.start({
    ...{ name: 'front', to: { host: sluice.host, port: sluice.ports.pg } },
    ...{ sends: 'v2', from: balancer },
  });
});

after(stopEverything);

const peers: Peers = { client: '192.0.2.7', clientPort: 5555, server: '198.51.100.1', serverPort: 5432 };
const at = (client: string): Peers => ({ ...peers, client });
const v6: Peers = { ...peers, client: '2001:db8::7', server: '2001:db8::1' };

/** A Postgres client behind a load balancer that sends these bytes first. */
async function postgresBehind(
  header: Buffer,
  { service = 'checkout', from = balancer } = {},
): Promise<pg.Client> {
  const socket = new net.Socket();
  // Before pg hears of it, whose first message goes out at the same event.
  socket.once('connect', () => socket.write(header));
  const connect = socket.connect.bind(socket);
  const options = { host: sluice.host, port: sluice.ports.pg, localAddress: from };
  const client = new pg.Client({
    host: sluice.host,
    stream: () => Object.assign(socket, { connect: () => connect(options) }),
    ...{ user: 'ann', password, database: 'orders' },
    ssl: { ca: sluice.certificates.caText, servername: hostnameOf(service) },
  });
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function mysqlBehind(header: Buffer): Promise<mysql.Connection> {
  const connection = mysql.createConnection({
    host: hostnameOf('dashboard'),
    stream: socketBeginningWith(header, { host: sluice.host, port: sluice.ports.mysql }, balancer),
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
const notAllowed: Fate = { served: false, code: '28000' };

const fateBehind = (...args: Parameters<typeof postgresBehind>) =>
  fateOf(async () => (await postgresBehind(...args)).end());

describe('the client is who the header says', () => {
  for (const version of ['v1', 'v2'] as const) {
    test(`${version}: a network that is allowed`, async () => {
      assert.deepEqual(await fateBehind(proxyHeader(version, peers)), served);
    });
    test(`${version}: one that is not`, async () => {
      assert.deepEqual(await fateBehind(proxyHeader(version, at('192.0.3.7'))), notAllowed);
    });
    test(`${version}: IPv6`, async () => {
      assert.deepEqual(await fateBehind(proxyHeader(version, v6)), served);
      const other = { ...v6, client: '2001:db9::7' };
      assert.deepEqual(await fateBehind(proxyHeader(version, other)), notAllowed);
    });
    test(`${version}: an IPv4 address within IPv6 is the IPv4 address`, async () => {
      const mapped = { ...v6, client: '::ffff:c000:0207', server: '::ffff:c633:6401' };
      assert.deepEqual(await fateBehind(proxyHeader(version, mapped)), served);
    });
  }

  test('a header that names nobody leaves the address of the load balancer itself', async () => {
    for (const header of [localHeader, Buffer.from('PROXY UNKNOWN\r\n')]) {
      assert.deepEqual(await fateBehind(header), notAllowed);
      assert.deepEqual(await fateBehind(header, { service: 'balanced' }), served);
    }
  });

  test('through a real HAProxy', async () => {
    const client = new pg.Client({
      ...{ host: front.host, port: front.port, user: 'ann', password, database: 'orders' },
      ssl: { ca: sluice.certificates.caText, servername: hostnameOf('balanced') },
    });
    await client.connect();
    await client.end();
  });
});

/** Everything that comes back, once the other end has closed. */
async function answerTo(bytes: Buffer, port: number, from = balancer): Promise<Buffer> {
  const socket = socketBeginningWith(bytes, { host: sluice.host, port }, from);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {});
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(chunks);
}

/** Sessions that the databases have ever seen. */
async function everOpened(): Promise<readonly number[]> {
  const [row] = await reports.server.query<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Connections'");
  return [orders.server.log.match(/connection received/g)?.length ?? 0, Number(row!.Value)];
}

const sslRequest = Buffer.from('0000000804d2162f', 'hex');

describe('a connection without a header that can be believed', { concurrency: true }, () => {
  const headers: Readonly<Record<string, Buffer>> = {
    'none: a Postgres TLS request': sslRequest,
    'none: a TLS hello': Buffer.from('16030100050100000100', 'hex'),
    'a v1 header without an end': Buffer.from(`PROXY TCP4 192.0.2.7 198.51.100.1 5555 ${'1'.repeat(200)}`),
    'a v1 header with no address': Buffer.from('PROXY TCP4 nobody 198.51.100.1 5555 5432\r\n'),
    'a v1 header with a port too large': Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 70000 5432\r\n'),
    'a v2 header of another version': Buffer.from('0d0a0d0a000d0a515549540a310000', 'hex'),
    'a v2 header that is shorter than its addresses': Buffer.concat([
      Buffer.from('0d0a0d0a000d0a515549540a21110004', 'hex'),
      Buffer.alloc(16),
    ]),
  };
  for (const [what, header] of Object.entries(headers))
    test(`${what}: closed without a word, and nobody asked anything`, async () => {
      const before = await everOpened();
      const { pg, mysql } = sluice.ports;
      for (const answer of await Promise.all([answerTo(header, pg), answerTo(header, mysql)]))
        assert.equal(answer.length, 0);
      assert.deepEqual(await everOpened(), before);
    });

  test('from elsewhere than the load balancer: a good header opens nothing', async () => {
    const before = await everOpened();
    const strangers = async () => {
      const stats = await sluice.envoy.stats('\\.no_filter_chain_match$');
      return Object.values(stats).reduce((sum, one) => sum + one, 0);
    };
    const known = await strangers();
    await assert.rejects(postgresBehind(proxyHeader('v2', peers), { from: '127.0.0.10' }));
    assert.equal(await strangers(), known + 1);
    assert.deepEqual(await everOpened(), before);
  });
});

test('a MySQL client is greeted after its header, whole or in pieces', { timeout: 60_000 }, async () => {
  for (const version of ['v1', 'v2'] as const) {
    const header = proxyHeader(version, peers);
    for (let cut = 1; cut < header.length; cut += 3) {
      const socket = socketBeginningWith(
        header.subarray(0, cut),
        { host: sluice.host, port: sluice.ports.mysql },
        balancer,
      );
      let isWhole = false;
      const first = new Promise<boolean>((resolve) => socket.once('data', () => resolve(isWhole)));
      await new Promise((resolve) => socket.once('connect', resolve));
      await new Promise((resolve) => setImmediate(resolve));
      isWhole = true;
      socket.write(header.subarray(cut));
      assert.ok(await first, `greeted after ${cut} bytes of ${version}`);
      socket.destroy();
    }
  }
});

for (const version of ['v1', 'v2'] as const)
  test(`MariaDB sees the client's own address when it is told by ${version}`, {
    timeout: 30_000,
  }, async () => {
    await sluice.change((spec) => {
      spec.databases.reports!.proxy_protocol = version;
    });
    const connection = await mysqlBehind(proxyHeader('v2', peers));
    const [row] = await reports.server.query<{ host: string }>(
      "SELECT host FROM information_schema.processlist WHERE user = 'ann'",
    );
    assert.equal(row?.host, `${peers.client}:${peers.clientPort}`);
    const shown = await waitUntil('the node has reported the session', async () => {
      const { rows } = await sluice.brain.sessions();
      const [session, ...more] = rows.filter(({ service }) => service === 'dashboard');
      return session?.client != null && [session.client, more.length];
    });
    assert.deepEqual(shown, [`${peers.client}:${peers.clientPort}`, 0]);
    connection.end();
    await sluice.brain.waitForTaken('dashboard', 0);
  });

test('a proxy before Postgres is told who the client is', { timeout: 30_000 }, async () => {
  const session = await postgresBehind(proxyHeader('v2', at('192.0.2.99')));
  await session.end();
  await waitUntil('HAProxy has logged the client', () => guard.clients.includes('192.0.2.99:5555'));
});

test('the budget holds where the database sees nobody’s own address, and every slot comes back', {
  timeout: 60_000,
}, async () => {
  let port = 10_000;
  const visit = async () => {
    // As many addresses as clients: each may look like the node's own for another.
    port += 1;
    const session = await postgresBehind(proxyHeader('v1', { ...peers, clientPort: port }));
    await session.query('SELECT pg_sleep(0.02)');
    await session.end();
  };
  await Promise.all(Array.from({ length: 60 }, visit));
  assert.equal(orders.server.hasSaidTooMany, false, orders.server.log);
  await sluice.brain.waitForTaken('checkout', 0);
  const { targets } = await sluice.brain.status();
  const target = targets.find(({ target: name }) => name === 'orders/primary');
  assert.deepEqual([target?.total, target?.unclaimed], [0, 0]);
});
