/**
 * TLS from Envoy to the database, as the database itself sees it; and that whatever is wrong with it, not one byte of a
 * client goes there in clear.
 */
import assert from 'node:assert/strict';
import { copyFileSync, renameSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Certificate, Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import { ownAddress } from '../harness/own-address.js';
import { peakWhile } from '../harness/peak.js';
import type { Postgres } from '../harness/postgres.js';
import {
  observer,
  type Protected,
  protectedMariaDb,
  protectedPostgres,
} from '../harness/protected-database.js';
import { Relay } from '../harness/relay.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import type { SpecInput } from '../harness/spec-file.js';
import { waitUntil } from '../harness/wait-until.js';
import { mariadbCli } from './command-line.js';
import { backendOf, mysqlSession, postgresSession } from './sessions.js';

type Tls = SpecInput['databases'][string]['tls'];

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };
const budget = 8;

/** The databases' own authority, and one that has nothing to do with them. */
let authority: Certificates;
let stranger: Certificates;
/** CA file that the spec names: a copy, so that a test can renew it. */
let ca: string;
let fifteen: Protected<Postgres>;
let eighteen: Protected<Postgres>;
let plain: Protected<Postgres>;
let maria: Protected<MariaDb>;
let plainMaria: Protected<MariaDb>;
let relays: { readonly postgres: Relay; readonly maria: Relay };
let sluice: Sluice;
/** Clients of servers that fall silent over TLS. They wait for so long that all other tests are over first. */
let waiting: Readonly<Record<string, Promise<Refused>>>;

before(async () => {
  [authority, stranger] = await Promise.all([Certificates.create(), Certificates.create()]);
  ca = path.join(authority.folder, 'databases.pem');
  copyFileSync(authority.ca, ca);
  const certificate: Certificate = await authority.server(ownAddress, 'orders.internal');
  const options = { budget, accounts: [{ name: 'ann', password }], databases: ['orders'] };
  const accounts = [...options.accounts, { name: 'ed', password, plugin: 'ed25519' as const }];
  [fifteen, eighteen, plain, maria, plainMaria] = await Promise.all([
    protectedPostgres('fifteen', { ...options, certificate }),
    protectedPostgres('eighteen', { ...options, certificate, version: '18' }),
    // A slot whose way was never right is kept until the observer, who can't connect either, has seen it gone.
    protectedPostgres('plain', { ...options, budget: 3 * budget }),
    protectedMariaDb('maria', { ...options, accounts, certificate }),
    protectedMariaDb('plain-maria', options),
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
      fifteen,
      eighteen,
      maria,
      plain: behind(plain, relays.postgres),
      'plain-maria': behind(plainMaria, relays.maria),
      silent: requiring(behind(fifteen, silent.postgres)),
      'silent-maria': requiring(behind(maria, silent.maria)),
    },
    services: {
      fifteen: { database: 'fifteen', ...service },
      eighteen: { database: 'eighteen', ...service },
      plain: { database: 'plain', ...service, max_connections: 3 * budget },
      maria: { database: 'maria', ...service },
      'plain-maria': { database: 'plain-maria', ...service },
      silent: { database: 'silent', ...service },
      'silent-maria': { database: 'silent-maria', ...service },
    },
    // The command-line client sends no server name.
    listeners: { mysql: { default_service: 'maria' } },
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
  const first = byPostgres('silent');
  await waitUntil('it has come to the server', () => connections === 1);
  waiting = {
    [mute]: first,
    [agreed]: byPostgres('silent'),
    'a MariaDB that greets and says nothing': byMaria('silent-maria'),
  };
});

after(stopEverything);

const verified = (): Tls => ({ mode: 'verify-full', ca });

async function connectTo(database: string, tls: Tls): Promise<void> {
  await sluice.change((spec) => {
    const { [database]: entry } = spec.databases;
    delete entry!.tls;
    if (tls) entry!.tls = tls;
  });
}

interface Seen {
  readonly ssl: boolean;
  readonly version: string | null;
}

const sslOfPostgres = 'SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()';

async function seenByPostgres(service: string): Promise<Seen> {
  const session = await postgresSession(sluice, service, ann);
  const { rows } = await session.query<Seen>(sslOfPostgres);
  await session.end();
  return rows[0]!;
}

async function seenByMaria(): Promise<string> {
  const session = await mysqlSession(sluice, 'maria', ann);
  const [rows] = await session.query("SHOW SESSION STATUS LIKE 'Ssl_version'");
  await session.end();
  return (rows as { Value: string }[])[0]!.Value;
}

interface Refused {
  readonly code: string | number;
  readonly message: string;
  readonly detail: string | undefined;
  readonly tookMs: number;
}

async function refused(connect: () => Promise<{ end(): Promise<void> }>): Promise<Refused> {
  const startedMs = performance.now();
  try {
    await (await connect()).end();
  } catch (error) {
    const { errno, code, message, detail } = error as Error & Record<'errno' | 'code' | 'detail', string>;
    const tookMs = performance.now() - startedMs;
    return { code: typeof errno === 'number' ? errno : code, message, detail, tookMs };
  }
  return assert.fail('it was let in');
}

const byPostgres = (service: string) => refused(() => postgresSession(sluice, service, ann));
const byMaria = (service: string) => refused(() => mysqlSession(sluice, service, ann));

/** As fast as a server that is not there. */
const soonMs = 2_000;

describe('the database sees', () => {
  for (const service of ['fifteen', 'eighteen'])
    test(`plaintext from ${service}'s clients where the spec says nothing`, async () => {
      assert.deepEqual(await seenByPostgres(service), { ssl: false, version: null });
    });

  const cases: readonly (readonly [service: string, name: string, tls: () => Tls])[] = [
    ['fifteen', 'TLS that is asked for and not verified', () => ({ mode: 'require' })],
    ['fifteen', 'TLS that is verified by the address', verified],
    ['fifteen', 'TLS that is verified by a name', () => ({ ...verified()!, server_name: 'orders.internal' })],
    ['eighteen', 'TLS that is asked for and verified', verified],
    ['eighteen', 'direct TLS', () => ({ mode: 'require', negotiation: 'direct' })],
    ['eighteen', 'direct TLS that is verified', () => ({ ...verified()!, negotiation: 'direct' })],
  ];
  for (const [service, name, tls] of cases)
    test(`Postgres ${service}: ${name}`, { timeout: 30_000 }, async () => {
      await connectTo(service, tls());
      assert.deepEqual(await seenByPostgres(service), { ssl: true, version: 'TLSv1.3' });
    });

  test('MariaDB: no TLS, TLS, verified TLS', { timeout: 30_000 }, async () => {
    assert.equal(await seenByMaria(), '');
    for (const tls of [{ mode: 'require' } as const, verified()]) {
      await connectTo('maria', tls);
      assert.equal(await seenByMaria(), 'TLSv1.3');
    }
  });

  test('MariaDB: TLS below an account of ed25519 that it lets in by TLS alone', {
    timeout: 30_000,
  }, async () => {
    await maria.server.query("ALTER USER ed@'%' REQUIRE SSL");
    const to = { host: hostnameOf('maria'), port: sluice.ports.mysql, database: 'orders', password };
    const login = { ...to, user: 'ed', ca: sluice.certificates.ca };
    const told = await mariadbCli(login, sluice.clientEnvironment);
    assert.deepEqual(told, { database: 'orders', doubled: 42, sum: 12_502_500 });
    await connectTo('maria', undefined);
    const refusal = await mariadbCli(login, sluice.clientEnvironment);
    assert.ok('code' in refusal && refusal.code === 1045, JSON.stringify(refusal));
    await connectTo('maria', verified());
  });

  test('the observer with the same TLS', { timeout: 30_000 }, async () => {
    const sql = 'SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = $1';
    // One of them is in two databases of the spec.
    for (const [{ server }, count] of [[fifteen, 2] as const, [eighteen, 1] as const])
      await waitUntil('the observer has come by TLS', async () => {
        const rows = await server.query<{ ssl: boolean }>(sql, [observer]);
        return rows.length === count && rows.every(({ ssl }) => ssl);
      });
  });
});

describe('a certificate that is not the right one', () => {
  test('another name is refused, in words, soon, and mended by the spec alone', {
    timeout: 30_000,
  }, async () => {
    await connectTo('fifteen', { ...verified()!, server_name: 'another.internal' });
    const told = await byPostgres('fifteen');
    assert.equal(told.code, '08006');
    assert.match(told.message, /TLS to the database failed: its certificate was not accepted/);
    assert.ok(told.tookMs < soonMs, `${told.tookMs} ms`);
    const stats = await sluice.envoy.stats('^cluster.service/fifteen/.*/tls.ssl.fail_verify_san$');
    assert.deepEqual(Object.values(stats), [1]);
    await connectTo('fifteen', verified());
    assert.deepEqual(await seenByPostgres('fifteen'), { ssl: true, version: 'TLSv1.3' });
  });

  test('another CA is refused, also by direct TLS, and then Envoy says why', {
    timeout: 30_000,
  }, async () => {
    await connectTo('eighteen', { mode: 'verify-full', ca: stranger.ca, negotiation: 'direct' });
    const told = await byPostgres('eighteen');
    assert.deepEqual([told.code, told.tookMs < soonMs], ['08006', true]);
    assert.match(told.message, /TLS to the database failed/);
    assert.match(told.detail ?? '', /CERTIFICATE_VERIFY_FAILED/);
    await connectTo('eighteen', { ...verified()!, negotiation: 'direct' });
    await seenByPostgres('eighteen');
  });

  test('MariaDB’s clients read it in their protocol', { timeout: 30_000 }, async () => {
    await connectTo('maria', { mode: 'verify-full', ca: stranger.ca });
    const told = await byMaria('maria');
    assert.equal(told.code, 1105);
    assert.match(told.message, /TLS to the database failed: its certificate was not accepted/);
    assert.ok(told.tookMs < soonMs, `${told.tookMs} ms`);
    await connectTo('maria', verified());
    assert.equal(await seenByMaria(), 'TLSv1.3');
  });
});

describe('a server that does not go along', () => {
  /** What SSLRequest is, and nothing of a startup message behind it. */
  const sslRequest = '0000000804d2162f';

  before(async () => {
    assert.deepEqual(await seenByPostgres('plain'), { ssl: false, version: null });
    await connectTo('plain', { mode: 'require' });
    await connectTo('plain-maria', { mode: 'require' });
  });

  test('Postgres without TLS gets nothing but the question', { timeout: 30_000 }, async () => {
    relays.postgres.listen();
    const told = await byPostgres('plain');
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
      const told = await byPostgres('plain');
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
    assert.equal((await seenByPostgres('plain')).ssl, true);
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
    const { processID, secretKey } = session as unknown as { processID: number; secretKey: number };
    const request = Buffer.from('0000001004d2162e0000000000000000', 'hex');
    request.writeUInt32BE(processID, 8);
    request.writeInt32BE(secretKey, 12);
    // Closed without an answer.
    const asking = net.connect(sluice.ports.pg, sluice.host).on('error', () => {});
    asking.write(request);
    await cancelled;
    asking.destroy();
    await session.end();
    const secret = request.subarray(12).toString('hex');
    for (const heard of relays.postgres.heard())
      assert.ok(!heard.includes(secret), 'the secret went in clear');
    relays.postgres.listen();
  });

  test('MariaDB without TLS gets nothing but the question', { timeout: 30_000 }, async () => {
    relays.maria.listen();
    const told = await byMaria('plain-maria');
    assert.equal(told.code, 1105);
    assert.match(told.message, /does not offer TLS/);
    assert.ok(told.tookMs < soonMs, `${told.tookMs} ms`);
    // One packet of 32 bytes, numbered 1; the observer does not even ask.
    const heard = relays.maria.heard().filter((hex) => hex !== '');
    assert.deepEqual([heard.length, heard[0]?.slice(0, 8), heard[0]?.length], [1, '20000001', 72]);
  });
});

/** Renewed as a certificate tool does it. */
function renew(file: string, from: string): void {
  copyFileSync(from, `${file}.new`);
  renameSync(`${file}.new`, file);
}

test('a renewed CA is in force for new sessions, open ones live on, no cluster changes', {
  timeout: 60_000,
}, async () => {
  const session = await postgresSession(sluice, 'fifteen', ann);
  const backend = await backendOf(session);
  const clusters = 'cluster_manager.cluster_modified';
  const changed = await sluice.envoy.stat(clusters);

  renew(ca, stranger.ca);
  const told = await waitUntil('new sessions are verified against the new CA', async () => {
    const fate = await byPostgres('fifteen').catch(() => undefined);
    return fate?.code === '08006' && fate;
  });
  assert.match(told.message, /its certificate was not accepted/);
  await fifteen.server.useCertificate(await stranger.server(ownAddress));
  await waitUntil('the server’s new certificate is accepted', () =>
    seenByPostgres('fifteen').catch(() => false),
  );

  assert.equal(await backendOf(session), backend);
  assert.equal(await sluice.envoy.stat(clusters), changed);
  await session.end();
});

test('slots that change hands at once over TLS stay within the budget, as the database counts', {
  timeout: 60_000,
}, async () => {
  await connectTo('eighteen', { mode: 'require' });
  const { peak } = await peakWhile(
    () => eighteen.server.count(undefined, [observer]),
    () =>
      Promise.all(
        Array.from({ length: 40 }, async () => {
          for (let round = 0; round < 4; round++)
            await (await postgresSession(sluice, 'eighteen', ann)).end();
        }),
      ),
  );
  assert.ok(peak <= budget, `${peak}`);
  assert.equal(eighteen.server.hasSaidTooMany, false, eighteen.server.log);
  await sluice.brain.waitForTaken('eighteen', 0);
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
