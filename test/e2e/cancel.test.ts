/**
 * Postgres' cancel requests: from unmodified clients, in clear and over TLS, by whatever node, to the right server and
 * to no other session. What was stopped is what the database itself shows.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import type pg from 'pg';
import { stopEverything } from '../harness/ending.js';
import { Envoy } from '../harness/envoy.js';
import { sharedPort } from '../harness/own-address.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { cancelRequest, keyOf } from './cancel-request.js';
import type { Told } from './clients/conversation.js';
import { interruptedPsql } from './interrupted-psql.js';
import { postgresSession } from './sessions.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };
const budget = 6;

let orders: Protected<Postgres>;
/** The primary and two replicas of one database, as far as a proxy can tell. */
let fleet: Protected<Postgres>;
let replicas: readonly Protected<Postgres>[];
/** Has a name in the spec. */
let named: Protected<Postgres>;
let sluice: Sluice;

before(async () => {
  const options = { budget, accounts: [{ name: 'ann', password }], databases: ['orders'] };
  [orders, fleet, ...replicas] = (await Promise.all(
    ['orders', 'primary', 'replica-1', 'replica-2'].map((name) => protectedPostgres(name, options)),
  )) as [Protected<Postgres>, Protected<Postgres>, ...Protected<Postgres>[]];
  const port = await sharedPort();
  named = await protectedPostgres('named', { ...options, port, settings: { listen_addresses: '127.0.0.1' } });
  named = { ...named, input: { ...named.input, endpoints: [{ host: 'localhost', port }] } };
  const others = replicas.flatMap(({ input }) =>
    input.endpoints.map((each) => ({ ...each, role: 'replica' as const })),
  );
  fleet = { ...fleet, input: { ...fleet.input, endpoints: [...fleet.input.endpoints, ...others] } };
  sluice = await Sluice.start({
    databases: { orders, fleet, named },
    services: {
      reader: { database: 'fleet', db_role: 'replica', max_connections: budget },
      checkout: { database: 'orders', max_connections: budget },
      billing: { database: 'orders', max_connections: 2 },
      ledger: { database: 'named', max_connections: 2 },
    },
  });
});

after(stopEverything);

const quick = { timeout: 30_000 } as const;

/** Backends that run a sleep, as the database shows them. */
async function sleeping({ server } = orders): Promise<number[]> {
  const rows = await server.query<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'",
  );
  return rows.map(({ pid }) => pid);
}

/** A statement that is under way: how it ends. */
async function startSleeping(client: pg.Client): Promise<{ readonly end: Promise<string> }> {
  const before = await sleeping();
  const end = client.query('SELECT pg_sleep(60)').then(
    () => 'slept',
    (error: { code?: string }) => error.code ?? 'broken',
  );
  await waitUntil('the statement runs', async () => (await sleeping()).length > before.length);
  return { end };
}

/** @param servername in clear without one */
async function connected(servername?: string): Promise<net.Socket> {
  const raw = net.connect(sluice.ports.pg, sluice.host);
  if (servername === undefined) return raw;
  raw.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
  assert.equal(String((await once(raw, 'data'))[0]), 'S');
  const socket = tls.connect({ socket: raw, servername, ca: sluice.certificates.caText });
  await once(socket, 'secureConnect');
  return socket;
}

/** @returns what was answered, when the connection was closed */
async function answerTo(bytes: Uint8Array, servername?: string): Promise<Buffer> {
  const socket = await connected(servername);
  const answer: Buffer[] = [];
  socket.on('data', (part: Buffer) => answer.push(part));
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  socket.write(bytes);
  await closed;
  return Buffer.concat(answer);
}

async function counted(outcome: string): Promise<number> {
  const text = await sluice.brain.metrics();
  const [, value] =
    new RegExp(`^sluice_cancels_total\\{outcome="${outcome}"\\} (\\d+)$`, 'm').exec(text) ?? [];
  return Number(value ?? 0);
}

async function run(command: string, args: readonly string[], input: unknown): Promise<Told> {
  const child = spawn('setpriv', ['--pdeathsig=KILL', '--', command, ...args], {
    env: { ...process.env, ...sluice.clientEnvironment },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify(input));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await once(child, 'close');
  return JSON.parse(text) as Told;
}

const python = path.resolve(import.meta.dirname, '../../build/venv/bin/python');
const client = (file: string) => ['-B', path.join(import.meta.dirname, 'clients', file)];
const login = () => ({
  host: hostnameOf('checkout'),
  port: sluice.ports.pg,
  ca: sluice.certificates.ca,
  ...ann,
});

describe('a client stops its statement', () => {
  test('psql, by Ctrl-C', quick, async () => {
    const { host, port, ca } = login();
    const env = {
      ...sluice.clientEnvironment,
      ...{ PGHOST: host, PGPORT: String(port), PGUSER: 'ann', PGPASSWORD: password },
      ...{ PGDATABASE: 'orders', PGSSLMODE: 'verify-full', PGSSLROOTCERT: ca },
    };
    const said = await interruptedPsql(env, () =>
      waitUntil('psql waits for its statement', async () => (await sleeping()).length === 1),
    );
    assert.match(said, /canceling statement due to user request/);
    assert.deepEqual(await sleeping(), []);
  });

  for (const how of ['cancel', 'cancel_safe'])
    test(`psycopg 3, by ${how}()`, quick, async () => {
      const told = await run(python, client('cancel_psycopg3.py'), { ...login(), how });
      assert.equal('code' in told && told.code, '57014', JSON.stringify(told));
    });

  test("asyncpg, by the driver's own time-out, and the session goes on", quick, async () => {
    const told = await run(python, client('cancel_asyncpg.py'), login());
    assert.deepEqual(told, { code: '57014', message: '42' });
  });

  for (const how of ['in clear', 'over TLS'])
    test(`any driver, ${how}`, quick, async () => {
      const session = await postgresSession(sluice, 'checkout', ann);
      const { end } = await startSleeping(session);
      const name = how === 'over TLS' ? hostnameOf('checkout') : undefined;
      assert.equal((await answerTo(cancelRequest(keyOf(session)), name)).length, 0);
      assert.equal(await end, '57014');
      assert.deepEqual((await session.query('SELECT 42 AS n')).rows, [{ n: 42 }]);
      await session.end();
    });

  test('and does not wait for the answer', quick, async () => {
    const session = await postgresSession(sluice, 'checkout', ann);
    const { end } = await startSleeping(session);
    (await connected(hostnameOf('checkout'))).end(cancelRequest(keyOf(session)));
    assert.equal(await end, '57014');
    await session.end();
  });

  test('while the budget is full, without a slot of it', quick, async () => {
    const others = await Promise.all(
      Array.from({ length: budget - 1 }, () => postgresSession(sluice, 'checkout', ann)),
    );
    const session = await postgresSession(sluice, 'checkout', ann);
    const { end } = await startSleeping(session);
    await answerTo(cancelRequest(keyOf(session)));
    assert.equal(await end, '57014');
    assert.equal(orders.server.hasSaidTooMany, false);
    await Promise.all([session, ...others].map((each) => each.end()));
  });
});

describe('nobody else stops it', () => {
  let session: pg.Client;
  let end: Promise<string>;

  before(async () => {
    session = await postgresSession(sluice, 'checkout', ann);
    ({ end } = await startSleeping(session));
  });

  after(async () => {
    assert.equal((await sleeping()).length, 1, 'the statement was hit');
    await answerTo(cancelRequest(keyOf(session)));
    assert.equal(await end, '57014');
    await session.end();
  });

  test('with a wrong key', quick, async () => {
    const before = await counted('wrong_key');
    const { pid, secret } = keyOf(session);
    secret.writeUInt32BE((secret.readUInt32BE() ^ 1) >>> 0);
    assert.equal((await answerTo(cancelRequest({ pid, secret }))).length, 0);
    assert.equal(await counted('wrong_key'), before + 1);
  });

  test('with a process id that is guessed', quick, async () => {
    const before = await counted('unknown_session');
    const { secret } = keyOf(session);
    assert.equal((await answerTo(cancelRequest({ pid: 1, secret }))).length, 0);
    assert.equal(await counted('unknown_session'), before + 1);
  });

  test("with the right key, by another service's name", quick, async () => {
    const before = await counted('wrong_service');
    assert.equal((await answerTo(cancelRequest(keyOf(session)), hostnameOf('billing'))).length, 0);
    assert.equal(await counted('wrong_service'), before + 1);
  });

  test('with bytes that are no request, which the node drops by itself', quick, async () => {
    for (const length of [12, 15, 269]) {
      const bytes = cancelRequest({ pid: 1, secret: Buffer.alloc(300) });
      bytes.writeUInt32BE(length, 0);
      assert.equal((await answerTo(bytes)).length, 0, `${length} bytes`);
    }
  });
});

test('of several replicas the one that has the session is asked', quick, async () => {
  // Each worker of the node picks by itself, so a few may well meet at one of them.
  const sessions: pg.Client[] = [];
  const replicasUsed = new Set<string>();
  while (replicasUsed.size < 2) {
    const session = await postgresSession(sluice, 'reader', ann);
    const { rows } = await session.query<{ port: string }>("SELECT current_setting('port') AS port");
    replicasUsed.add(rows[0]!.port);
    sessions.push(session);
  }
  const ends = sessions.map((session) =>
    session.query('SELECT pg_sleep(60)').catch((error: { code?: string }) => error.code),
  );
  const perReplica = () => Promise.all(replicas.map(async (replica) => (await sleeping(replica)).length));
  await waitUntil('all statements run, on both', async () => {
    const counts = await perReplica();
    return counts[0]! + counts[1]! === sessions.length;
  });
  for (const [index, session] of sessions.entries()) {
    await answerTo(cancelRequest(keyOf(session)));
    assert.equal(await ends[index], '57014');
    const others = sessions.length - 1 - index;
    // The error comes before the server calls the session idle.
    const left = await waitUntil('it sleeps no more', async () => {
      const counts = await perReplica();
      return counts[0]! + counts[1]! <= others && counts;
    });
    assert.equal(left[0]! + left[1]!, others, 'another session was hit');
  }
  await Promise.all(sessions.map((session) => session.end()));
});

test('a server that has a name in the spec is asked at its address', quick, async () => {
  const session = await postgresSession(sluice, 'ledger', ann);
  const end = session.query('SELECT pg_sleep(60)').catch((error: { code?: string }) => error.code);
  await waitUntil('the statement runs', async () => (await sleeping(named)).length === 1);
  await answerTo(cancelRequest(keyOf(session)));
  assert.equal(await end, '57014');
  await session.end();
});

test('who floods is not listened to any more, and the database sees none of it', quick, async () => {
  const session = await postgresSession(sluice, 'checkout', ann);
  const { end } = await startSleeping(session);
  const key = keyOf(session);
  const guesses = Array.from({ length: 150 }, (_, guess) => {
    const secret = Buffer.alloc(4);
    secret.writeUInt32BE((key.secret.readUInt32BE() + 1 + guess) >>> 0);
    return cancelRequest({ pid: key.pid, secret });
  });
  const connectionsBefore = orders.server.log.match(/connection received/g)!.length;
  const before = await counted('rate_limited');
  await Promise.all(
    guesses.map(async (guess) => {
      const socket = net.connect({ port: sluice.ports.pg, host: sluice.host, localAddress: '127.9.9.9' });
      socket.on('error', () => {});
      socket.resume().write(guess);
      await once(socket, 'close');
    }),
  );
  // A session takes ten at once, an address a hundred.
  assert.ok((await counted('rate_limited')) - before >= 130);
  assert.equal(orders.server.log.match(/connection received/g)!.length, connectionsBefore);
  await waitUntil('the session can be asked for again', async () => {
    await answerTo(cancelRequest(key));
    return (await sleeping()).length === 0;
  });
  assert.equal(await end, '57014');
  await session.end();
});

test('a session that is older than no report can be cancelled at once', quick, async () => {
  const session = await postgresSession(sluice, 'checkout', ann);
  const end = session.query('SELECT pg_sleep(60)').catch((error: { code?: string }) => error.code);
  await answerTo(cancelRequest(keyOf(session)));
  assert.equal(await end, '57014');
  await session.end();
});

test('a key shows in no log', quick, async () => {
  const session = await postgresSession(sluice, 'checkout', ann);
  const { end } = await startSleeping(session);
  const key = keyOf(session);
  await answerTo(cancelRequest(key));
  await end;
  await session.end();
  const secret = key.secret.toString('hex');
  assert.ok(!sluice.brain.log.includes(secret) && !sluice.envoy.log.includes(secret));
});

test('a request reaches its session by whatever node', { timeout: 60_000 }, async () => {
  const session = await postgresSession(sluice, 'checkout', ann);
  const { end } = await startSleeping(session);
  // Both would take it (SO_REUSEPORT), so the first stops listening.
  const second = await Envoy.start({ node: 'edge-2', xds: sluice.brain.xds, channel: sluice.brain.channel });
  await second.waitForListener('pg');
  await sluice.waitUntilInSync();
  await sluice.envoy.stopListening();
  const before = await second.stat('listener.sluice_pg.downstream_cx_total');
  await answerTo(cancelRequest(keyOf(session)));
  assert.equal(await end, '57014');
  const after = await second.stat('listener.sluice_pg.downstream_cx_total');
  assert.equal(after, before + 1);
});
