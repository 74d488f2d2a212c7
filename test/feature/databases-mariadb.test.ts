import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import mysql from 'mysql2/promise';
import type { Link } from '../../xds-server/shells/databases/link.js';
import { connectMysql } from '../../xds-server/shells/databases/mysql-link.js';
import { MariaDb } from '../harness/mariadb.js';
import { waitUntil } from '../harness/wait-until.js';

let server: MariaDb;
before(async () => {
  server = await MariaDb.start({
    accounts: [
      { name: 'ann', password: 'secret' },
      { name: 'watcher', password: 'w', globalPrivileges: ['PROCESS'] },
      { name: 'blind', password: 'b' },
    ],
  });
});
after(() => server?.stop());

const connect = (user: string, password: string): Promise<Link> =>
  connectMysql({ host: server.host, port: server.port }, { user, password: () => password }, {}, 3_000);

test('the session list joins a client by its connection id and by its own address', async () => {
  const link = await connect('watcher', 'w');
  const client = await mysql.createConnection({
    host: server.host,
    port: server.port,
    user: 'ann',
    password: 'secret',
  });
  const { stream } = (client as unknown as { connection: { stream: net.Socket } }).connection;
  const { sessions } = await link.list(false);
  assert.equal(
    sessions.find(({ serverId }) => serverId === client.threadId)?.peer,
    `${stream.localAddress}:${stream.localPort}`,
  );
  assert.ok(sessions.some(({ serverId }) => serverId === link.ownId));
  assert.equal(link.facts.listsLogins, true);
  assert.equal(link.facts.loginTimeoutMs, 10_000);
  assert.equal(link.facts.capacity, 100);
  await client.end();
  link.close();
});

test('a client that is still logging in is in the list', async () => {
  const link = await connect('watcher', 'w');
  const socket = net.connect(server.port, server.host);
  await new Promise((resolve) => socket.once('data', resolve));
  const peer = `${socket.localAddress}:${socket.localPort}`;
  await waitUntil('the login', async () =>
    (await link.list(false)).sessions.some((session) => session.peer === peer),
  );
  socket.destroy();
  link.close();
});

test('an account that may not see other sessions is no observer', () =>
  assert.rejects(connect('blind', 'b'), /expected it to be granted PROCESS/));

test('a wrong password is a problem that does not repeat the password', () =>
  assert.rejects(connect('watcher', 's3cr3t'), (error: Error) => {
    assert.match(error.message, /Access denied/);
    assert.doesNotMatch(error.message, /s3cr3t/);
    return true;
  }));

test('a link whose session is killed says so at the next question', async () => {
  const link = await connect('watcher', 'w');
  await server.query(`KILL ${link.ownId}`);
  await assert.rejects(async () => {
    for (;;) await link.list(false);
  });
  link.close();
});
