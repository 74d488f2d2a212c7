/** I2: who may reach which service, whatever a client puts into SNI, startup parameters or certificates. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import mysql from 'mysql2';
import pg from 'pg';
import { Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import { ownAddress, ownPort } from '../harness/own-address.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import { fateOf, mysqlSession, type postgresClient, postgresSession } from './sessions.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };
const annOfReports = { user: 'ann', password, database: 'reports' };
const accounts = [
  { name: 'ann', password },
  { name: 'bob', password },
];

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  [orders, reports] = await Promise.all([
    protectedPostgres('orders', { budget: 10, accounts, databases: ['orders', 'secrets'] }),
    protectedMariaDb('reports', { budget: 10, accounts, databases: ['reports'] }),
  ]);
  sluice = await Sluice.start({
    databases: { orders, reports },
    clientCertificates: true,
    services: {
      checkout: {
        database: 'orders',
        max_connections: 2,
        allow: [{ principal: 'spiffe://shop/checkout' }],
      },
      billing: { database: 'orders', max_connections: 2, allow: [{ principal: 'spiffe://shop/billing' }] },
      narrow: { database: 'orders', max_connections: 2, allow: [{ user: 'ann', db: 'orders' }] },
      far: { database: 'orders', max_connections: 2, allow: [{ cidr: '192.0.2.0/24' }] },
      dashboard: { database: 'reports', max_connections: 2, allow: [{ user: 'ann' }] },
    },
  });
});

after(stopEverything);

const notAllowed = { served: false, code: '28000' };

function attempt(...args: Parameters<typeof postgresClient>) {
  return fateOf(async () => (await postgresSession(...args)).end());
}

describe('a service that names a principal', () => {
  test('serves a client whose certificate carries it', async () => {
    const certificate = await sluice.certificates.client('spiffe://shop/checkout');
    assert.deepEqual(await attempt(sluice, 'checkout', ann, { certificate }), { served: true });
  });

  test('refuses a client without a certificate', async () => {
    assert.deepEqual(await attempt(sluice, 'checkout', ann), notAllowed);
  });

  test('refuses the principal of another service, by whatever name it is called', async () => {
    const certificate = await sluice.certificates.client('spiffe://shop/checkout');
    assert.deepEqual(await attempt(sluice, 'billing', ann, { certificate }), notAllowed);
    const hostname = hostnameOf('billing').toUpperCase();
    assert.deepEqual(await attempt(sluice, 'checkout', ann, { certificate, hostname }), notAllowed);
  });

  test('never hears of a certificate that another authority has signed', async () => {
    const certificate = await (await Certificates.create()).client('spiffe://shop/checkout');
    const before = orders.server.log.match(/connection received/g)?.length;
    // Broken by TLS itself: no answer in the protocol.
    await assert.rejects(postgresSession(sluice, 'checkout', ann, { certificate }));
    assert.equal(orders.server.log.match(/connection received/g)?.length, before);
  });
});

describe('all conditions of one rule must hold', () => {
  const cases = [
    { who: 'the user and the database that it names', account: ann, fate: { served: true } },
    { who: 'another user', account: { ...ann, user: 'bob' }, fate: notAllowed },
    { who: 'another database', account: { ...ann, database: 'secrets' }, fate: notAllowed },
  ];
  for (const { who, account, fate } of cases) {
    test(who, async () => assert.deepEqual(await attempt(sluice, 'narrow', account), fate));
  }

  test('an address that is not in the network that it names', async () => {
    assert.deepEqual(await attempt(sluice, 'far', ann), notAllowed);
  });

  test('of MySQL as well', async () => {
    const bob = { ...annOfReports, user: 'bob' };
    assert.deepEqual(await fateOf(() => mysqlSession(sluice, 'dashboard', bob)), {
      served: false,
      code: 1045,
    });
  });
});

test('a MySQL session does not become another user’s', async () => {
  const session = await mysqlSession(sluice, 'dashboard', annOfReports);
  assert.equal(await reports.server.count('ann'), 1);
  await assert.rejects(session.changeUser({ user: 'bob', password }));
  assert.equal(await reports.server.count('bob'), 0);
  session.destroy();
});

describe('a client that sends no server name', () => {
  test('of Postgres', async () => {
    const client = new pg.Client({
      host: sluice.host,
      port: sluice.ports.pg,
      ...ann,
      ssl: { ca: sluice.certificates.caText, servername: '', checkServerIdentity: () => undefined },
    });
    assert.deepEqual(await fateOf(() => client.connect()), { served: false, code: '08004' });
  });

  test('of MySQL', async () => {
    const ssl = { ca: sluice.certificates.caText };
    const client = mysql.createConnection({
      host: sluice.host,
      port: sluice.ports.mysql,
      ...annOfReports,
      ssl,
    });
    client.on('error', () => {});
    assert.deepEqual(await fateOf(() => connected(client)), { served: false, code: 1130 });
  });
});

function connected(client: mysql.Connection): Promise<void> {
  return new Promise((resolve, reject) => client.connect((error) => (error ? reject(error) : resolve())));
}

describe('a client that does not speak TLS', () => {
  test('of Postgres is told to', async () => {
    const client = new pg.Client({ host: sluice.host, port: sluice.ports.pg, ...ann, ssl: false });
    await assert.rejects(client.connect(), (error: Error & { code?: string }) => {
      assert.equal(error.code, '28000');
      assert.match(error.message, /TLS/);
      return true;
    });
  });

  test('of MySQL is told to', async () => {
    const client = mysql.createConnection({ host: sluice.host, port: sluice.ports.mysql, ...annOfReports });
    client.on('error', () => {});
    await assert.rejects(connected(client), (error: Error & { errno?: number }) => {
      assert.equal(error.errno, 3159);
      assert.match(error.message, /TLS/);
      return true;
    });
  });

  test('is served where its listener allows that, by the default service', async () => {
    const port = await ownPort();
    const { certificate } = sluice.file.spec.listeners.pg!.tls;
    await sluice.change((spec) => {
      spec.services!.open = sluice.service('open', { database: 'orders', max_connections: 1 });
      spec.listeners.open = {
        protocol: 'postgres',
        address: `${ownAddress}:${port}`,
        tls: { certificate },
        default_service: 'open',
        allow_plaintext: true,
      };
    });
    await sluice.envoy.waitForListener('open');
    const client = new pg.Client({ host: sluice.host, port, ...ann, ssl: false });
    await client.connect();
    assert.deepEqual((await client.query('SELECT current_database() AS name')).rows, [{ name: 'orders' }]);
    await client.end();
  });
});

test('what is neither protocol nor TLS gets nowhere', { timeout: 30_000 }, async () => {
  const before = orders.server.log.match(/connection received/g)?.length;
  for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(64, 0xff), Buffer.alloc(4)]) {
    const socket = net.connect(sluice.ports.pg, sluice.host);
    socket.on('error', () => {}).resume();
    socket.end(bytes);
    await new Promise((resolve) => socket.once('close', resolve));
  }
  assert.equal(orders.server.log.match(/connection received/g)?.length, before);
  assert.equal(sluice.envoy.isRunning, true);
});

test('no password and no key stands in a log', () => {
  const key = readFileSync(sluice.file.spec.listeners.pg!.tls.certificate.key, 'utf8').split('\n')[1]!;
  for (const log of [sluice.brain.log, sluice.envoy.log]) {
    assert.ok(!log.includes(password));
    assert.ok(!log.includes(key));
  }
});
