/**
 * Logins of MySQL 8.0's own default, caching_sha2_password: the server remembers an account (fast path), or wants the
 * password itself (full path), which it gets where TLS protects both ways and nowhere else.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import mysql from 'mysql2';
import type { Connection } from 'mysql2/promise';
import { runProgram } from '../e2e/run-program.js';
import { mysqlSession } from '../e2e/sessions.js';
import { Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import { type MySql, mysqlPrograms } from '../harness/mysql.js';
import { ownAddress } from '../harness/own-address.js';
import { type Protected, protectedMySql } from '../harness/protected-database.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import type { SpecInput } from '../harness/spec-file.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'reports' };
const old = { user: 'old', password, database: 'reports' };

let authority: Certificates;
let reports: Protected<MySql>;
let sluice: Sluice;

before(async () => {
  authority = await Certificates.create();
  reports = await protectedMySql('reports', {
    budget: 8,
    accounts: [
      { name: 'ann', password },
      { name: 'old', password, plugin: 'mysql_native_password' },
    ],
    databases: ['reports'],
    certificate: await authority.server(ownAddress),
  });
  sluice = await Sluice.start({
    databases: { reports },
    services: { dashboard: { database: 'reports', max_connections: 8 } },
    listeners: { mysql: { default_service: 'dashboard', allow_plaintext: true } },
  });
});

after(stopEverything);

async function connectBy(tls: SpecInput['databases'][string]['tls']): Promise<void> {
  await sluice.change((spec) => {
    delete spec.databases.reports!.tls;
    if (tls) spec.databases.reports!.tls = tls;
  });
}

/** The server forgets every account that it remembers. */
const forget = () => reports.server.query('FLUSH PRIVILEGES');

async function versionSeen(account = ann): Promise<string> {
  return seenBy(await mysqlSession(sluice, 'dashboard', account));
}

async function seenBy(session: Connection): Promise<string> {
  const [rows] = await session.query("SHOW SESSION STATUS LIKE 'Ssl_version'");
  await session.end();
  return (rows as { Value: string }[])[0]!.Value;
}

/** In clear to Envoy, which only this listener allows. */
async function plaintextSession(): Promise<Connection> {
  const connection = mysql.createConnection({ host: sluice.host, port: sluice.ports.mysql, ...ann });
  connection.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error ? reject(error) : resolve()));
  });
  return connection.promise();
}

async function commandLine(account: typeof ann): Promise<string> {
  const done = await runProgram(
    path.join(mysqlPrograms, 'mysql'),
    [
      ...['--no-defaults', '--protocol=tcp', '--batch', '--skip-column-names', '--ssl-mode=VERIFY_IDENTITY'],
      ...[`--host=${hostnameOf('dashboard')}`, `--port=${sluice.ports.mysql}`, `--user=${account.user}`],
      ...[
        `--ssl-ca=${sluice.certificates.ca}`,
        "--execute=SHOW SESSION STATUS LIKE 'Ssl_version'",
        'reports',
      ],
    ],
    { ...sluice.clientEnvironment, MYSQL_PWD: account.password },
  );
  return done.code === 0 ? done.stdout.trim() : done.stderr;
}

describe('over TLS on both ways', () => {
  before(() => connectBy({ mode: 'verify-full', ca: authority.ca }));

  test('an account that the server has forgotten gives its password, one that it remembers does not', {
    timeout: 30_000,
  }, async () => {
    await forget();
    assert.equal(await versionSeen(), 'TLSv1.3');
    assert.equal(await versionSeen(), 'TLSv1.3');
  });

  test('so does MySQL’s own command line', { timeout: 30_000 }, async () => {
    await forget();
    assert.equal(await commandLine(ann), 'Ssl_version\tTLSv1.3');
    assert.equal(await commandLine(ann), 'Ssl_version\tTLSv1.3');
    assert.equal(await commandLine(old), 'Ssl_version\tTLSv1.3');
  });

  test('mysql_native_password logs in', async () => {
    assert.equal(await versionSeen(old), 'TLSv1.3');
  });

  test('a wrong password is the server’s own error, by either path', { timeout: 30_000 }, async () => {
    const wrong = { ...ann, password: 'wrong' };
    await assert.rejects(versionSeen(wrong), { errno: 1045 });
    await forget();
    await assert.rejects(versionSeen(wrong), { errno: 1045 });
  });

  test('COM_CHANGE_USER to the same account gives the password again', { timeout: 30_000 }, async () => {
    const session = await mysqlSession(sluice, 'dashboard', ann);
    await forget();
    await session.changeUser({ user: ann.user, password, database: 'reports' });
    assert.equal(await seenBy(session), 'TLSv1.3');
  });

  test('a client that came in clear is not asked for its password', { timeout: 30_000 }, async () => {
    await forget();
    await assert.rejects(plaintextSession(), { errno: 1251, message: /the client came without TLS/ });
    // Remembered, it shows nothing.
    await versionSeen();
    assert.equal(await seenBy(await plaintextSession()), 'TLSv1.3');
  });
});

describe('over plaintext to the server', () => {
  before(() => connectBy(undefined));

  test('nobody is asked for a password', { timeout: 30_000 }, async () => {
    await forget();
    await assert.rejects(versionSeen(), { errno: 1251, message: /the way to the server has no TLS/ });
  });

  test('an account that the server remembers logs in, and so does mysql_native_password', {
    timeout: 30_000,
  }, async () => {
    const { host, port } = reports.server;
    const connection = mysql.createConnection({ host, port, ...ann, ssl: { ca: authority.caText } });
    await connection.promise().ping();
    connection.destroy();
    assert.equal(await versionSeen(), '');
    assert.equal(await versionSeen(old), '');
  });
});
