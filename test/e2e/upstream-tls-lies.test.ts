/**
 * Servers that do not go along when Envoy asks for TLS, and such as lie or fall silent: not one byte of a client goes there in
 * clear, and he reads what was wrong.
 */
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import { ownAddress } from '../harness/own-address.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { Relay } from '../harness/relay.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { cancelRequest, keyOf } from './cancel-request.js';
import { postgresSession } from './sessions.js';
import {
  ann,
  budget,
  byMaria,
  byPostgres,
  connectTo,
  type Refused,
  seenByPostgres,
  soonMs,
  withAnn,
} from './upstream-tls.js';

/** They have TLS. */
let fifteen: Protected<Postgres>;
let maria: Protected<MariaDb>;
/** These have none. */
let plain: Protected<Postgres>;
let plainMaria: Protected<MariaDb>;
let relays: { readonly postgres: Relay; readonly maria: Relay };
let sluice: Sluice;
/** Clients of servers that fall silent over TLS. They wait for so long that all other tests are over first. */
let waiting: Readonly<Record<string, Promise<Refused>>>;

before(async () => {
  const certificate = await (await Certificates.create()).server(ownAddress);
  [fifteen, plain, maria, plainMaria] = await Promise.all([
    protectedPostgres('fifteen', { ...withAnn, certificate }),
    // A slot whose way was never right is kept until the observer, who can't connect either, has seen it gone.
    protectedPostgres('plain', { ...withAnn, budget: 3 * budget }),
    protectedMariaDb('maria', { ...withAnn, certificate }),
    protectedMariaDb('plain-maria', withAnn),
  ]);
  relays = { postgres: await Relay.start(plain.server), maria: await Relay.start(plainMaria.server) };
  const behind = <Server>({ server, input, budget }: Protected<Server>, relay: Relay): Protected<Server> => ({
    server,
    budget,
    input: { ...input, endpoints: [{ host: relay.host, port: relay.port }] },
  });
  const silent = { postgres: await Relay.start(fifteen.server), maria: await Relay.start(maria.server) };
  const requiring = <Server>(of: Protected<Server>): Protected<Server> => ({
    ...of,
    input: { ...of.input, tls: { mode: 'require' } },
  });
  const service = { max_connections: budget, max_queue: 100, timeout_ms: 20_000 };
  sluice = await Sluice.start({
    databases: {
      plain: behind(plain, relays.postgres),
      'plain-maria': behind(plainMaria, relays.maria),
      silent: requiring(behind(fifteen, silent.postgres)),
      'silent-maria': requiring(behind(maria, silent.maria)),
    },
    services: {
      plain: { database: 'plain', ...service, max_connections: 3 * budget },
      'plain-maria': { database: 'plain-maria', ...service },
      silent: { database: 'silent', ...service },
      'silent-maria': { database: 'silent-maria', ...service },
    },
  });
  // The observers are connected, and stay so.
  const [mute, agreed] = ['a Postgres that says nothing', 'a Postgres that agrees to TLS and says nothing'];
  let connections = 0;
  silent.postgres.lie((socket) => void (connections++ === 0 || socket.once('data', () => socket.write('S'))));
  silent.maria.lie((socket) => {
    const server = net.connect(maria.server.port, maria.server.host).on('error', () => undefined);
    server.on('data', (greeting) => socket.write(greeting));
    socket.on('close', () => server.destroy());
  });
  const first = byPostgres(sluice, 'silent');
  await waitUntil('it has come to the server', () => connections === 1);
  waiting = {
    [mute]: first,
    [agreed]: byPostgres(sluice, 'silent'),
    'a MariaDB that greets and says nothing': byMaria(sluice, 'silent-maria'),
  };
});

after(stopEverything);

describe('a server that does not go along', () => {
  /** What SSLRequest is, and nothing of a startup message behind it. */
  const sslRequest = '0000000804d2162f';

  before(async () => {
    assert.deepEqual(await seenByPostgres(sluice, 'plain'), { ssl: false, version: null });
    await connectTo(sluice, 'plain', { mode: 'require' });
    await connectTo(sluice, 'plain-maria', { mode: 'require' });
  });

  test('Postgres without TLS gets nothing but the question', { timeout: 30_000 }, async () => {
    relays.postgres.listen();
    const told = await byPostgres(sluice, 'plain');
    assert.equal(told.code, '08006');
    assert.match(told.message, /does not offer TLS/);
    assert.ok(told.tookMs < soonMs, `${told.tookMs} ms`);
    // The observer asks too.
    for (const heard of relays.postgres.heard()) assert.equal(heard, sslRequest);
  });

  const lies: readonly (readonly [name: string, answer: string, told: RegExp])[] = [
    ['X for S', 'X', /not answer the request for TLS as its protocol has it/],
    [
      'an error of its own making',
      'E\0\0\0\x12SFATAL\0Mforged\0\0',
      /answered the request for TLS with an error/,
    ],
    [
      'an authentication request',
      'R\0\0\0\x08\0\0\0\x03',
      /not answer the request for TLS as its protocol has it/,
    ],
    ['data behind S', 'SR\0\0\0\x08\0\0\0\0', /more than its answer/],
    ['data before S', '\0S', /not answer the request for TLS as its protocol has it/],
    ['no TLS behind S', 'S', /TLS to the database failed/],
    ['nothing, and closes', '', /closed the connection/],
  ];
  for (const [name, answer, expected] of lies)
    test(`Postgres: ${name}`, { timeout: 30_000 }, async () => {
      relays.postgres.lie((socket) =>
        socket.once('data', () => {
          if (answer === '') return socket.end();
          socket.write(Buffer.from(answer, 'latin1'));
          // What comes instead of a handshake.
          if (answer === 'S') socket.once('data', () => socket.end('not TLS'));
        }),
      );
      const told = await byPostgres(sluice, 'plain');
      assert.equal(told.code, '08006');
      assert.match(told.message, expected);
      assert.doesNotMatch(`${told.message} ${told.detail}`, /forged/);
      assert.ok(told.tookMs < soonMs, `${told.tookMs} ms`);
      // Behind the S there may be a ClientHello, and never a startup message.
      for (const heard of relays.postgres.heard()) assert.match(heard, /^0000000804d2162f(16.*)?$/);
      relays.postgres.listen();
    });

  test('a server that is only slow is waited for, and its words arrive as they are', {
    timeout: 30_000,
  }, async () => {
    relays.postgres.lie((socket) => {
      const server = net
        .connect(fifteen.server.port, fifteen.server.host)
        .on('error', () => socket.destroy());
      socket.pipe(server);
      // Longer than it takes until the filter first asks whether it is still there, each time it speaks.
      server.on('data', (chunk) => void setTimeout(() => socket.write(chunk), 300));
    });
    assert.equal((await seenByPostgres(sluice, 'plain')).ssl, true);
    relays.postgres.listen();
  });

  test('a cancel request goes by TLS too, and hits', { timeout: 30_000 }, async () => {
    relays.postgres.lie((socket) => {
      const server = net
        .connect(fifteen.server.port, fifteen.server.host)
        .on('error', () => socket.destroy());
      socket.pipe(server).pipe(socket);
    });
    const session = await postgresSession(sluice, 'plain', ann);
    const cancelled = assert.rejects(session.query('SELECT pg_sleep(60)'), { code: '57014' });
    await waitUntil('the server sleeps', async () => {
      const sql = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'";
      return (await fifteen.server.query(sql)).length === 1;
    });
    const key = keyOf(session);
    // Closed without an answer.
    const asking = net.connect(sluice.ports.pg, sluice.host).on('error', () => {});
    asking.write(cancelRequest(key));
    await cancelled;
    asking.destroy();
    await session.end();
    const secret = key.secret.toString('hex');
    for (const heard of relays.postgres.heard())
      assert.ok(!heard.includes(secret), 'the secret went in clear');
    relays.postgres.listen();
  });

  test('MariaDB without TLS gets nothing but the question', { timeout: 30_000 }, async () => {
    relays.maria.listen();
    const told = await byMaria(sluice, 'plain-maria');
    assert.equal(told.code, 1105);
    assert.match(told.message, /does not offer TLS/);
    assert.ok(told.tookMs < soonMs, `${told.tookMs} ms`);
    // One packet of 32 bytes, numbered 1; the observer does not even ask.
    const heard = relays.maria.heard().filter((hex) => hex !== '');
    assert.deepEqual([heard.length, heard[0]?.slice(0, 8), heard[0]?.length], [1, '20000001', 72]);
  });
});

test('who has been let in to a server that falls silent over TLS reads so after half a minute, not before', {
  timeout: 60_000,
}, async () => {
  for (const [server, told] of Object.entries(waiting)) {
    const { code, message, tookMs } = await told;
    assert.equal(code, server.includes('MariaDB') ? 1105 : '08006', server);
    assert.match(message, /took too long over TLS/, server);
    assert.ok(tookMs >= 30_000 && tookMs < 35_000, `${server}: ${tookMs} ms`);
  }
});
