import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import mysql from 'mysql2/promise';
import { stopEverything } from './ending.js';
import { MariaDb } from './mariadb.js';

let server: MariaDb;
before(async () => {
  server = await MariaDb.start({
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

function connect(password: string, user = 'ann'): Promise<mysql.Connection> {
  return mysql.createConnection({
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

test('it says so when it is full', async () => {
  const held = await Promise.all(Array.from({ length: 9 }, () => connect('secret')));
  assert.equal(await server.failedLogins(), 0);
  await assert.rejects(connect('secret'), { errno: 1040 });
  assert.equal(await server.failedLogins(), 1);
  await Promise.all(held.map((c) => c.end()));
});
