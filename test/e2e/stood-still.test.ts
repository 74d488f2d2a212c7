/**
 * Connections that come to stand too late. A server takes in nobody for longer than a grant is good: it is not dialled any more. And
 * an Envoy that stands still while it dials a database, and goes on when it has been given up for long: the server has taken
 * its connection in and shows nobody, as it has read nothing. No login comes of it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { stopEverything } from '../harness/ending.js';
import type { Postgres } from '../harness/postgres.js';
import type { Protected } from '../harness/protected-database.js';
import { RawClient } from '../harness/raw-client.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { parameters, sslRequest, startup } from './hostile.js';
import { olderAndNewer } from './older-and-newer.js';
import { postgresSession } from './sessions.js';

const account = { name: 'ann', password: 'correct horse' };
/** Longer than a connection may take to stand. */
const standstillMs = 4_000;

// Room for the observer's second connection, which asks for those who log in, beside the harness's own.
const options = { budget: 3, reserve: 3, accounts: [account], databases: ['orders'] };
const service = { max_connections: 1 };
const login = { user: account.name, password: account.password, database: 'orders' };

let servers: Readonly<Record<string, Protected<Postgres>>>;
let sluice: Sluice;

before(async () => {
  const databases = await olderAndNewer(options);
  servers = databases;
  sluice = await Sluice.start({
    databases,
    services: { older: { database: 'older', ...service }, newer: { database: 'newer', ...service } },
  });
});

after(stopEverything);

/** Connections that the server's kernel keeps for a server that takes in nobody, until it has no room for one more. */
async function crowd({
  host,
  port,
}: {
  readonly host: string;
  readonly port: number;
}): Promise<net.Socket[]> {
  const sockets: net.Socket[] = [];
  for (;;) {
    const socket = net.connect({ host, port });
    socket.on('error', () => undefined);
    sockets.push(socket);
    const isIn = await Promise.race([
      new Promise<boolean>((resolve) => socket.once('connect', () => resolve(true))),
      pause(300, false),
    ]);
    if (!isIn) return sockets;
  }
}

/** Whether somebody is dialling the server whose SYN is not answered. https://www.kernel.org/doc/Documentation/networking/proc_net_tcp.txt */
function isDialled(port: number): boolean {
  const to = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .some((line) => {
      const [, , remote, state] = line.trim().split(/\s+/);
      return state === '02' && remote?.endsWith(to);
    });
}

/** Sends what a node dials the server for, which takes in nobody. @returns the client, and the connections of others */
async function dialling(name: string): Promise<{ client: RawClient; crowded: readonly net.Socket[] }> {
  const { server } = servers[name]!;
  const client = await RawClient.connect({ host: sluice.host, port: sluice.ports.pg });
  await client.send(sslRequest);
  await client.until(1);
  await client.startTls({ servername: hostnameOf(name), ca: sluice.certificates.caText });
  process.kill(server.pid, 'SIGSTOP');
  const crowded = await crowd(server);
  for (const socket of crowded.splice(-1)) socket.destroy();
  await client.send(startup(parameters('user', 'ann', 'database', 'orders')));
  await waitUntil('the node dials', async () => isDialled(server.port));
  return { client, crowded };
}

test('a server that takes in nobody is not dialled for longer than the grant allows, and the client reads why', async () => {
  const { server } = servers.older!;
  const { client, crowded } = await dialling('older');
  const answer = (await client.closed()).toString('latin1');
  assert.match(answer, /C08006\0.*could not be reached.*while the grant was good/s);
  assert.equal(isDialled(server.port), false);
  for (const socket of crowded) socket.destroy();
  process.kill(server.pid, 'SIGCONT');
  const session = await postgresSession(sluice, 'older', login);
  assert.equal(await server.count(account.name), 1);
  await session.end();
});

test('for a node that stands still its kernel soon gives up a server that takes in nobody', async () => {
  const { server } = servers.newer!;
  const { client, crowded } = await dialling('newer');
  sluice.envoy.signal('SIGSTOP');
  // Its timers are not served. After the second SYN the kernel waits for as long as it would before a third.
  await waitUntil('the kernel has given up', async () => !isDialled(server.port), 10_000);
  sluice.envoy.signal('SIGCONT');
  for (const socket of crowded) socket.destroy();
  process.kill(server.pid, 'SIGCONT');
  assert.match((await client.closed()).toString('latin1'), /C(08006|57P03)\0/);
});

for (const name of ['older', 'newer'])
  test(`a connection that was taken in while its node stood still is left before anybody logs in: ${name}`, async () => {
    const { server } = servers[name]!;
    const { client, crowded } = await dialling(name);
    sluice.envoy.signal('SIGSTOP');
    for (const socket of crowded) socket.destroy();
    process.kill(server.pid, 'SIGCONT');
    await pause(standstillMs);
    sluice.envoy.signal('SIGCONT');

    const answer = (await client.closed()).toString('latin1');
    assert.match(answer, /C57P03\0.*stood still/s);
    // Another one has the only connection that there may be.
    const session = await postgresSession(sluice, name, login);
    assert.equal(await server.count(account.name), 1);
    await session.end();
  });
