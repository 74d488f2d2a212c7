/**
 * A login that stands still is ended by the node, on both sides, half a minute after the grant: the client reads so in its
 * protocol, the database has its connection back at once. Sessions of that age are left alone.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { RawClient } from '../harness/raw-client.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { answerOf, handshakeResponse, mysqlSslRequest, parameters, sslRequest, startup } from './hostile.js';
import { mysqlSession, postgresSession } from './sessions.js';

const deadlineMs = 30_000;
/** Of a busy machine, on top. */
const graceMs = 3_000;
/** From the client's last words to a slot that is free again. */
const freeMs = 1_000;

const account = { name: 'ann', password: 'correct horse' };
const ann = { user: 'ann', password: account.password };

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  [orders, reports] = await Promise.all([
    // It lists who is still logging in.
    protectedPostgres('orders', { budget: 5, accounts: [account], databases: ['orders'], version: '18' }),
    protectedMariaDb('reports', {
      budget: 8,
      accounts: [account],
      databases: ['reports'],
      // Its own is shorter than the node's.
      settings: { 'connect-timeout': 120 },
    }),
  ]);
  const service = { max_connections: 2 };
  sluice = await Sluice.start({
    databases: { orders, reports },
    services: {
      'asked-for-a-method': { database: 'orders', ...service },
      'asked-for-a-proof': { database: 'orders', ...service },
      checkout: { database: 'orders', ...service },
      'asked-to-switch': { database: 'reports', ...service },
      dashboard: { database: 'reports', ...service },
    },
  });
});

after(stopEverything);

const lengthOf = (body: Buffer): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(body.length);
  return bytes;
};

async function startedPostgres(service: string): Promise<RawClient> {
  const client = await RawClient.connect({ host: sluice.host, port: sluice.ports.pg });
  await client.send(sslRequest);
  await client.until(1);
  await client.startTls({ servername: hostnameOf(service), ca: sluice.certificates.caText });
  await client.send(startup(parameters('user', 'ann', 'database', 'orders')));
  // AuthenticationSASL.
  assert.equal((await client.until(9)).toString('latin1', 0, 1), 'R');
  return client;
}

async function withoutProof(service: string): Promise<RawClient> {
  const client = await startedPostgres(service);
  await waitUntil('the methods are there', () => client.received.includes('SCRAM-SHA-256\0\0'));
  const first = Buffer.from('n,,n=,r=0123456789abcdefghijklmn');
  const body = Buffer.concat([Buffer.from('SCRAM-SHA-256\0'), lengthOf(first), first]);
  const before = client.bytes;
  await client.send(Buffer.concat([Buffer.from('p'), startup(body)]));
  await client.until(before + 9);
  return client;
}

async function withoutSwitch(service: string): Promise<RawClient> {
  const client = await RawClient.connect({ host: sluice.host, port: sluice.ports.mysql });
  await client.until(5);
  await client.send(mysqlSslRequest());
  await client.startTls({ servername: hostnameOf(service), ca: sluice.certificates.caText });
  await client.send(handshakeResponse());
  assert.deepEqual([...(await client.until(5)).subarray(3, 5)], [3, 0xfe]);
  return client;
}

interface Stall {
  readonly connect: (service: string) => Promise<RawClient>;
  /** Where its last message begins. */
  readonly lastOf: (said: Buffer) => number;
  readonly code: string;
}

const fatal = (said: Buffer): number => said.lastIndexOf('SFATAL\0') - 5;

const stalls: Readonly<Record<string, Stall>> = {
  'asked-for-a-method': { connect: startedPostgres, lastOf: fatal, code: '57014' },
  'asked-for-a-proof': { connect: withoutProof, lastOf: fatal, code: '57014' },
  'asked-to-switch': { connect: withoutSwitch, lastOf: (said) => 4 + said.readUIntLE(0, 3), code: '1159' },
};

/** As the databases themselves show them. */
async function loggingIn(): Promise<readonly number[]> {
  const [postgres] = await orders.server.query<{ n: number }>(
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = 'starting'",
  );
  const [mariaDb] = await reports.server.query<{ n: number }>(
    "SELECT count(*) AS n FROM information_schema.processlist WHERE command = 'Connect'",
  );
  return [postgres!.n, Number(mariaDb!.n)];
}

async function metric(name: string, service: string): Promise<readonly string[]> {
  const lines = (await sluice.brain.metrics()).split('\n');
  return lines.filter((line) => line.startsWith(`${name}{`) && line.includes(`service="${service}"`));
}

describe('half a minute behind the grant', { concurrency: true }, () => {
  test('who stands still in his login reads so, and his slot is free', { timeout: 90_000 }, async () => {
    const ends = Object.entries(stalls).map(async ([service, { connect, lastOf, code }]) => {
      const started = performance.now();
      const client = await connect(service);
      const said = await client.closed();
      const ended = performance.now();
      const told = said.subarray(lastOf(said));
      assert.equal(answerOf(told), code, said.toString('latin1'));
      assert.match(told.toString('latin1'), /the database has not accepted the login within 30000 ms/);
      // The answer to its packet 4.
      if (code === '1159') assert.equal(told[3], 5);
      const tookMs = ended - started;
      assert.ok(tookMs >= deadlineMs && tookMs < deadlineMs + graceMs, `${service}: ${tookMs} ms`);
      await sluice.brain.waitForTaken(service, 0);
      const freeAfterMs = performance.now() - ended;
      assert.ok(freeAfterMs < freeMs, `${service}: free after ${freeAfterMs} ms`);
      assert.match((await metric('sluice_sessions_cut_total', service)).join(), /"login_deadline"\} 1$/);
      assert.deepEqual(await metric('sluice_logins_failed_total', service), []);
      return ended;
    });
    await waitUntil('all are there', async () => (await loggingIn()).join() === '2,1');
    const ended = Math.max(...(await Promise.all(ends)));
    await waitUntil('the databases show nobody', async () => (await loggingIn()).join() === '0,0');
    const goneAfterMs = performance.now() - ended;
    assert.ok(goneAfterMs < freeMs, `gone after ${goneAfterMs} ms`);
  });

  test('sessions that are older than that go on', { timeout: 90_000 }, async () => {
    const postgres = await postgresSession(sluice, 'checkout', { ...ann, database: 'orders' });
    const mysql = await mysqlSession(sluice, 'dashboard', { ...ann, database: 'reports' });
    const since = performance.now();
    await waitUntil('it is behind them', () => performance.now() - since > deadlineMs + 1_000, 60_000);
    assert.equal((await postgres.query('SELECT 1 AS n')).rows[0].n, 1);
    await mysql.query('SELECT 1');
    await Promise.all([postgres.end(), mysql.end()]);
  });
});
