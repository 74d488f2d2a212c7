import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import mysql from 'mysql2/promise';
import { Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import { MySql } from '../harness/mysql.js';

let certificates: Certificates;
let server: MySql;
before(async () => {
  certificates = await Certificates.create();
  server = await MySql.start({
    certificate: await certificates.server('reports.test'),
    maxConnections: 4,
    accounts: [
      { name: 'ann', password: 'secret' },
      { name: 'old', password: 'secret', plugin: 'mysql_native_password' },
      { name: 'observer', password: 'o', globalPrivileges: ['PROCESS'] },
    ],
    databases: ['reports'],
  });
});
after(stopEverything);

function connect(
  password: string,
  user = 'old',
  options: mysql.ConnectionOptions = {},
): Promise<mysql.Connection> {
  const { host, port } = server;
  return mysql.createConnection({ host, port, user, password, database: 'reports', ...options });
}

test('a MySQL of the harness counts the sessions of its clients and not its own', async () => {
  const old = await connect('secret');
  assert.equal(await server.count(), 1);
  assert.equal(await server.count('old'), 1);
  assert.equal(await server.count(undefined, ['old']), 0);
  await old.end();
});

test('its accounts are asked for their password', async () => {
  await assert.rejects(connect('wrong'), { errno: 1045 });
});

test('it offers TLS with its certificate, which caching_sha2_password takes its password by', async () => {
  const ann = await connect('secret', 'ann', { ssl: { ca: certificates.caText } });
  const [rows] = await ann.query("SHOW SESSION STATUS LIKE 'Ssl_version'");
  assert.deepEqual(rows, [{ Variable_name: 'Ssl_version', Value: 'TLSv1.3' }]);
  await ann.end();
});

test('it says so when it is full', async () => {
  const held = [await connect('secret'), await connect('secret'), await connect('secret')];
  assert.equal(await server.saidTooMany(), 0);
  await assert.rejects(connect('secret'), { errno: 1040 });
  assert.equal(await server.saidTooMany(), 1);
  await Promise.all(held.map((c) => c.end()));
});
