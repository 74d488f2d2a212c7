import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import mysql from 'mysql2/promise';
import { Certificates } from './certificates.js';
import { stopEverything } from './ending.js';
import { MariaDb } from './mariadb.js';
import { waitUntil } from './wait-until.js';

let certificates: Certificates;
let server: MariaDb;
before(async () => {
  certificates = await Certificates.create();
  server = await MariaDb.start({
    certificate: await certificates.server('reports.test'),
    maxConnections: 10,
    accounts: [
      { name: 'ann', password: 'secret' },
      { name: 'ed', password: 'secret', plugin: 'ed25519' },
      { name: 'observer', password: 'o', globalPrivileges: ['PROCESS'] },
    ],
    databases: ['reports'],
  });
});
after(stopEverything);

function connect(
  password: string,
  user = 'ann',
  options: mysql.ConnectionOptions = {},
): Promise<mysql.Connection> {
  return mysql.createConnection({
    ...options,
    host: server.host,
    port: server.port,
    user,
    password,
    database: 'reports',
  });
}

test('a MariaDB of the harness counts the sessions of its clients and not its own', async () => {
  const ann = await connect('secret');
  assert.equal(await server.count(), 1);
  assert.equal(await server.count('ann'), 1);
  assert.equal(await server.count(undefined, ['ann']), 0);
  await ann.end();
});

test('its accounts are asked for their password', async () => {
  await assert.rejects(connect('wrong'), { errno: 1045 });
});

test('it offers TLS with its certificate', async () => {
  const ann = await connect('secret', 'ann', { ssl: { ca: certificates.caText } });
  const [rows] = await ann.query("SHOW SESSION STATUS LIKE 'Ssl_version'");
  assert.deepEqual(rows, [{ Variable_name: 'Ssl_version', Value: 'TLSv1.3' }]);
  await ann.end();
});

test('it says so when it is full', async () => {
  const held = await Promise.all(Array.from({ length: 9 }, () => connect('secret')));
  assert.equal(await server.failedLogins(), 0);
  await assert.rejects(connect('secret'), { errno: 1040 });
  // It says so first, and counts then.
  await waitUntil('it has counted the one', async () => (await server.failedLogins()) === 1);
  await Promise.all(held.map((c) => c.end()));
});
