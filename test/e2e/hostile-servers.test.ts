/**
 * Servers that lie: whatever they send, their client is told something or cut off in time, nobody else notices, Envoy's
 * memory stays bounded, and every slot comes back.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import { type Lie, LyingServer } from '../harness/lying-server.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { RawClient } from '../harness/raw-client.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import {
  answerOf,
  handshakeResponse,
  mysqlSslRequest,
  packet,
  parameters,
  sslRequest,
  startup,
} from './hostile.js';
import { postgresSession } from './sessions.js';

const password = 'correct horse';
const accounts = [{ name: 'ann', password }];

let orders: Protected<Postgres>;
/** What the observer of the liar sees. */
let seeming: Protected<Postgres>;
let reports: Protected<MariaDb>;
let pgLiar: LyingServer;
let mysqlLiar: LyingServer;
let sluice: Sluice;

before(async () => {
  [orders, seeming, reports] = await Promise.all([
    protectedPostgres('orders', { budget: 2, accounts, databases: ['orders'] }),
    protectedPostgres('seeming', {
      ...{ budget: 16, accounts, databases: ['orders'] },
      // For so long the slot of a session that never logged in is kept.
      settings: { authentication_timeout: 1 },
    }),
    protectedMariaDb('reports', { budget: 16, accounts, databases: ['reports'] }),
  ]);
  [pgLiar, mysqlLiar] = await Promise.all([
    LyingServer.start(seeming.server),
    LyingServer.start(reports.server),
  ]);
  const behind = <T extends Protected<Postgres | MariaDb>>(database: T, { host, port }: LyingServer) => ({
    ...database,
    input: { ...database.input, endpoints: [{ host, port }], proxy_protocol: 'v1' as const },
  });
  sluice = await Sluice.start({
    databases: {
      honest: orders,
      lying: behind(seeming, pgLiar),
      reports: behind(reports, mysqlLiar),
    },
    services: {
      checkout: { database: 'honest', max_connections: 2 },
      victim: { database: 'lying', max_connections: 16 },
      dashboard: { database: 'reports', max_connections: 16 },
    },
  });
});

after(stopEverything);

/** A Postgres message; a length that is not its own, where one is given. */
function message(type: string, body: Buffer, length = body.length + 4): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeUInt32BE(length >>> 0, 1);
  return Buffer.concat([head, body]);
}

const says =
  (...all: readonly Buffer[]): Lie =>
  (socket) => {
    for (const bytes of all) socket.write(bytes);
    socket.end();
  };

/** As fast as it is taken; nobody ever takes all of it. */
const endless =
  (head: Buffer): Lie =>
  (socket) => {
    const piece = Buffer.alloc(64 * 1024, 'x');
    const pour = () => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on('drain', pour);
    socket.write(head);
    pour();
  };

const authenticationOk = message('R', Buffer.alloc(4));
const readyForQuery = message('Z', Buffer.from('I'));

/** A greeting such as MariaDB's, sound but for what is given. */
function greeting({ protocol = 10, flags = 0x81ff_f7fe, salt = 20, sequence = 0 } = {}): Buffer {
  const low = Buffer.alloc(2);
  low.writeUInt16LE(flags & 0xffff);
  const high = Buffer.alloc(2);
  high.writeUInt16LE(flags >>> 16);
  return packet(
    sequence,
    Buffer.concat([
      Buffer.of(protocol),
      Buffer.from('5.5.5-10.11.6-MariaDB\0'),
      Buffer.from('07000000', 'hex'),
      Buffer.alloc(8, 'a'),
      Buffer.of(0),
      low,
      Buffer.of(45, 2, 0),
      high,
      Buffer.of(salt + 1),
      Buffer.alloc(6),
      Buffer.from('1d000000', 'hex'),
      Buffer.alloc(Math.max(0, salt - 8), 'b'),
      Buffer.from('\0mysql_native_password\0'),
    ]),
  );
}

interface Case {
  readonly lie: Lie;
  /** What its client is told. */
  readonly answer: RegExp;
}

const anything = /./;

const pgLies: Readonly<Record<string, Case>> = {
  'closes at once': { lie: (socket) => socket.end(), answer: /^08006$/ },
  'resets at once': { lie: (socket) => socket.resetAndDestroy(), answer: /^(08006|nothing)$/ },
  'closes after the first message': {
    lie: (socket) => socket.once('data', () => socket.end()),
    answer: /^08006$/,
  },
  'says an X': { lie: says(Buffer.from('X')), answer: anything },
  'says an S that nobody asked for, and more': {
    lie: says(Buffer.from('S'), readyForQuery),
    answer: anything,
  },
  'says an authentication request of less than no length': {
    lie: says(message('R', Buffer.alloc(8), 3)),
    answer: anything,
  },
  'says an authentication request of 4 GiB': {
    lie: says(message('R', Buffer.alloc(8), 0xffffffff)),
    answer: anything,
  },
  'says keys of the wrong length': {
    lie: says(
      authenticationOk,
      message('K', Buffer.alloc(3)),
      message('K', Buffer.alloc(2000)),
      readyForQuery,
    ),
    answer: anything,
  },
  'says process ids that nobody has, again and again': {
    lie: says(
      authenticationOk,
      ...Array.from({ length: 50 }, () => message('K', Buffer.alloc(8, 0xff))),
      readyForQuery,
    ),
    answer: anything,
  },
  'says a MySQL greeting': { lie: says(greeting()), answer: anything },
  'says 100,000 empty messages': {
    lie: says(
      authenticationOk,
      Buffer.concat(Array.from({ length: 100_000 }, () => message('N', Buffer.alloc(0)))),
    ),
    answer: anything,
  },
};

const mysqlLies: Readonly<Record<string, Case>> = {
  'closes at once': { lie: (socket) => socket.end(), answer: /^1105$/ },
  'resets at once': { lie: (socket) => socket.resetAndDestroy(), answer: /^(1105|nothing)$/ },
  'greets with an empty packet': { lie: says(packet(0, Buffer.alloc(0))), answer: /^1105$/ },
  'greets in protocol 9': { lie: says(greeting({ protocol: 9 })), answer: /^1105$/ },
  'greets with a wrong number': { lie: says(greeting({ sequence: 5 })), answer: /^(1105|nothing)$/ },
  'greets with less than was promised': { lie: says(greeting({ flags: 0x200 })), answer: /^1105$/ },
  'greets with a salt of no bytes': { lie: says(greeting({ salt: 0 })), answer: /^(1105|nothing)$/ },
  'greets with 16 MB': { lie: endless(packet(0, Buffer.alloc(8), 0xffffff)), answer: /^1105$/ },
  'greets with an error': {
    lie: says(packet(0, Buffer.from('ff1004546f6f206d616e7920636f6e6e656374696f6e73', 'hex'))),
    answer: /^1040$/,
  },
  'asks for the password in clear': {
    lie: says(greeting(), packet(2, Buffer.from('\xfemysql_clear_password\0', 'latin1'))),
    answer: /^1251$/,
  },
  'asks for a file': {
    lie: says(greeting(), packet(2, Buffer.from('\xfb/etc/passwd', 'latin1'))),
    answer: anything,
  },
  'says OK before it was asked': {
    lie: says(packet(0, Buffer.from('00000002000000', 'hex'))),
    answer: /^1105$/,
  },
};

/** Everything that a client got until its connection was over, at most so much. */
async function toldBy(protocol: 'pg' | 'mysql'): Promise<string> {
  return answerOf(await (await startedBy(protocol)).closed());
}

/** A client that has said who it is. */
async function startedBy(protocol: 'pg' | 'mysql'): Promise<RawClient> {
  const client = await RawClient.connect({ host: sluice.host, port: sluice.ports[protocol] });
  const servername = hostnameOf(protocol === 'pg' ? 'victim' : 'dashboard');
  if (protocol === 'mysql') await client.until(60);
  await client.send(protocol === 'pg' ? sslRequest : mysqlSslRequest());
  if (protocol === 'pg') await client.until(1);
  await client.startTls({ servername, ca: sluice.certificates.caText });
  await client.send(
    protocol === 'pg' ? startup(parameters('user', 'ann', 'database', 'orders')) : handshakeResponse(),
  );
  return client;
}

for (const [protocol, lies] of [
  ['pg', pgLies],
  ['mysql', mysqlLies],
] as const)
  test(`${protocol}: every lie ends its own connection and nothing else`, { timeout: 60_000 }, async (t) => {
    const liar = protocol === 'pg' ? pgLiar : mysqlLiar;
    const bystander = await postgresSession(sluice, 'checkout', {
      user: 'ann',
      password,
      database: 'orders',
    });
    const heap = await sluice.envoy.heapBytes();
    const service = protocol === 'pg' ? 'victim' : 'dashboard';
    const wrong: string[] = [];
    for (const [name, { lie, answer }] of Object.entries(lies)) {
      const before = liar.connections;
      liar.lie = lie;
      const fromMs = performance.now();
      const told = await toldBy(protocol);
      const tookMs = Math.round(performance.now() - fromMs);
      t.diagnostic(`${name}: ${told} (${tookMs} ms)`);
      wrong.push(...(answer.test(told) ? [] : [`${name}: ${told}`]));
      assert.equal(liar.connections, before + 1, name);
    }
    await sluice.brain.waitForTaken(service, 0);
    assert.deepEqual(wrong, []);
    assert.equal((await bystander.query('SELECT 1 AS n')).rows[0].n, 1);
    await bystander.end();
    const grownMiB = ((await sluice.envoy.heapBytes()) - heap) / 2 ** 20;
    t.diagnostic(`heap: ${grownMiB.toFixed(1)} MiB more`);
    assert.ok(grownMiB < 8, `${grownMiB} MiB`);
  });

test('an error is read though its server does not close behind it', { timeout: 60_000 }, async () => {
  const error = message('E', Buffer.from('SFATAL\0C53300\0Mfull\0\0'));
  pgLiar.lie = (socket) => socket.write(error);
  const client = await startedBy('pg');
  assert.deepEqual(await client.until(error.length), error);
  client.reset();
  await sluice.brain.waitForTaken('victim', 0);
});

test('an error text without an end passes through a bounded buffer', {
  timeout: 60_000,
}, async (t) => {
  pgLiar.lie = endless(message('E', Buffer.from('SFATAL\0'), 0x7fffffff));
  const heap = await sluice.envoy.heapBytes();
  const client = await startedBy('pg');
  await client.until(16 * 2 ** 20);
  const grownMiB = ((await sluice.envoy.heapBytes()) - heap) / 2 ** 20;
  t.diagnostic(`after ${Math.round(client.bytes / 2 ** 20)} MiB: heap ${grownMiB.toFixed(1)} MiB more`);
  assert.ok(grownMiB < 4, `${grownMiB} MiB`);
  client.reset();
  await sluice.brain.waitForTaken('victim', 0);
});
