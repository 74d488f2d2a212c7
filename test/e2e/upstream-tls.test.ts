/**
 * TLS from Envoy to the database, as the database itself sees it; and what a client reads where a certificate is not the right
 * one. Servers that do not go along have a file of their own.
 */
import assert from 'node:assert/strict';
import { copyFileSync, renameSync } from 'node:fs';
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
import { hostnameOf, Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { mariadbCli } from './command-line.js';
import { backendOf, mysqlSession, postgresSession } from './sessions.js';
import {
  ann,
  budget,
  byMaria,
  byPostgres,
  connectTo,
  password,
  seenByPostgres,
  soonMs,
  type Tls,
  withAnn,
} from './upstream-tls.js';

/** The databases' own authority, and one that has nothing to do with them. */
let authority: Certificates;
let stranger: Certificates;
/** CA file that the spec names: a copy, so that a test can renew it. */
let ca: string;
let fifteen: Protected<Postgres>;
let eighteen: Protected<Postgres>;
let maria: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  [authority, stranger] = await Promise.all([Certificates.create(), Certificates.create()]);
  ca = path.join(authority.folder, 'databases.pem');
  copyFileSync(authority.ca, ca);
  const certificate: Certificate = await authority.server(ownAddress, 'orders.internal');
  const accounts = [...withAnn.accounts, { name: 'ed', password, plugin: 'ed25519' as const }];
  [fifteen, eighteen, maria] = await Promise.all([
    protectedPostgres('fifteen', { ...withAnn, certificate }),
    protectedPostgres('eighteen', { ...withAnn, certificate, version: '18' }),
    protectedMariaDb('maria', { ...withAnn, accounts, certificate }),
  ]);
  const service = { max_connections: budget, max_queue: 100, timeout_ms: 20_000 };
  sluice = await Sluice.start({
    databases: { fifteen, eighteen, maria },
    services: {
      fifteen: { database: 'fifteen', ...service },
      eighteen: { database: 'eighteen', ...service },
      maria: { database: 'maria', ...service },
    },
    // The command-line client sends no server name.
    listeners: { mysql: { default_service: 'maria' } },
  });
});

after(stopEverything);

const verified = (): Tls => ({ mode: 'verify-full', ca });

async function seenByMaria(): Promise<string> {
  const session = await mysqlSession(sluice, 'maria', ann);
  const [rows] = await session.query("SHOW SESSION STATUS LIKE 'Ssl_version'");
  await session.end();
  return (rows as { Value: string }[])[0]!.Value;
}

describe('the database sees', () => {
  for (const service of ['fifteen', 'eighteen'])
    test(`plaintext from ${service}'s clients where the spec says nothing`, async () => {
      assert.deepEqual(await seenByPostgres(sluice, service), { ssl: false, version: null });
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
      await connectTo(sluice, service, tls());
      assert.deepEqual(await seenByPostgres(sluice, service), { ssl: true, version: 'TLSv1.3' });
    });

  test('MariaDB: no TLS, TLS, verified TLS', { timeout: 30_000 }, async () => {
    assert.equal(await seenByMaria(), '');
    for (const tls of [{ mode: 'require' } as const, verified()]) {
      await connectTo(sluice, 'maria', tls);
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
    await connectTo(sluice, 'maria', undefined);
    const refusal = await mariadbCli(login, sluice.clientEnvironment);
    assert.ok('code' in refusal && refusal.code === 1045, JSON.stringify(refusal));
    await connectTo(sluice, 'maria', verified());
  });

  test('the observer with the same TLS', { timeout: 30_000 }, async () => {
    const sql = 'SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = $1';
    for (const { server } of [fifteen, eighteen])
      await waitUntil('the observer has come by TLS', async () => {
        const rows = await server.query<{ ssl: boolean }>(sql, [observer]);
        return rows.length === 1 && rows.every(({ ssl }) => ssl);
      });
  });
});

describe('a certificate that is not the right one', () => {
  test('another name is refused, in words, soon, and mended by the spec alone', {
    timeout: 30_000,
  }, async () => {
    await connectTo(sluice, 'fifteen', { ...verified()!, server_name: 'another.internal' });
    const told = await byPostgres(sluice, 'fifteen');
    assert.equal(told.code, '08006');
    assert.match(told.message, /TLS to the database failed: its certificate was not accepted/);
    assert.ok(told.tookMs < soonMs, `${told.tookMs} ms`);
    const stats = await sluice.envoy.stats('^cluster.service/fifteen/.*/tls.ssl.fail_verify_san$');
    assert.deepEqual(Object.values(stats), [1]);
    await connectTo(sluice, 'fifteen', verified());
    assert.deepEqual(await seenByPostgres(sluice, 'fifteen'), { ssl: true, version: 'TLSv1.3' });
  });

  test('another CA is refused, also by direct TLS, and then Envoy says why', {
    timeout: 30_000,
  }, async () => {
    await connectTo(sluice, 'eighteen', { mode: 'verify-full', ca: stranger.ca, negotiation: 'direct' });
    const told = await byPostgres(sluice, 'eighteen');
    assert.deepEqual([told.code, told.tookMs < soonMs], ['08006', true]);
    assert.match(told.message, /TLS to the database failed/);
    assert.match(told.detail ?? '', /CERTIFICATE_VERIFY_FAILED/);
    await connectTo(sluice, 'eighteen', { ...verified()!, negotiation: 'direct' });
    await seenByPostgres(sluice, 'eighteen');
  });

  test('MariaDB’s clients read it in their protocol', { timeout: 30_000 }, async () => {
    await connectTo(sluice, 'maria', { mode: 'verify-full', ca: stranger.ca });
    const told = await byMaria(sluice, 'maria');
    assert.equal(told.code, 1105);
    assert.match(told.message, /TLS to the database failed: its certificate was not accepted/);
    assert.ok(told.tookMs < soonMs, `${told.tookMs} ms`);
    await connectTo(sluice, 'maria', verified());
    assert.equal(await seenByMaria(), 'TLSv1.3');
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
    const fate = await byPostgres(sluice, 'fifteen').catch(() => undefined);
    return fate?.code === '08006' && fate;
  });
  assert.match(told.message, /its certificate was not accepted/);
  await fifteen.server.useCertificate(await stranger.server(ownAddress));
  await waitUntil('the server’s new certificate is accepted', () =>
    seenByPostgres(sluice, 'fifteen').catch(() => false),
  );

  assert.equal(await backendOf(session), backend);
  assert.equal(await sluice.envoy.stat(clusters), changed);
  await session.end();
});

test('slots that change hands at once over TLS stay within the budget, as the database counts', {
  timeout: 60_000,
}, async () => {
  await connectTo(sluice, 'eighteen', { mode: 'require' });
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
