/**
 * MySQL's KILL from a second connection, by the id of the greeting that the front gave: it reaches the session that is
 * meant, by whatever node, and no other. What was stopped is what the database itself shows.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Connection } from 'mysql2/promise';
import { stopEverything } from '../harness/ending.js';
import { Envoy } from '../harness/envoy.js';
import type { MariaDb } from '../harness/mariadb.js';
import { type Protected, protectedMariaDb } from '../harness/protected-database.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import type { Told } from './clients/conversation.js';
import { mysqlSession } from './sessions.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'reports' };
const firstFrontId = 0xe000_0000;

let reports: Protected<MariaDb>;
let archive: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  const options = { budget: 12, accounts: [{ name: 'ann', password }], databases: ['reports'] };
  [reports, archive] = await Promise.all([
    protectedMariaDb('reports', options),
    protectedMariaDb('archive', options),
  ]);
  sluice = await Sluice.start({
    databases: { reports, archive },
    tenants: { test: {}, stranger: {} },
    services: {
      dashboard: { database: 'reports', max_connections: 4 },
      // Full with one session.
      nightly: { database: 'reports', max_connections: 2, kill_reserve: 1, max_queue: 0 },
      queued: { database: 'reports', max_connections: 3, kill_reserve: 1, max_queue: 1, timeout_ms: 30_000 },
      stranger: { database: 'reports', max_connections: 4, tenant: 'stranger' },
      archive: { database: 'archive', max_connections: 4 },
    },
    listeners: { mysql: { default_service: 'nightly' } },
  });
});

after(stopEverything);

const quick = { timeout: 30_000 } as const;

/** Sessions that run a sleep, by the server's own ids. */
async function sleeping({ server } = reports): Promise<number[]> {
  const rows = await server.query<{ id: number }>(
    "SELECT id FROM information_schema.processlist WHERE command = 'Query' AND info LIKE 'SELECT SLEEP%'",
  );
  return rows.map(({ id }) => Number(id));
}

/** A statement that is under way: how it ends. */
async function startSleeping(
  session: Connection,
  database = reports,
): Promise<{ readonly end: Promise<unknown> }> {
  const before = await sleeping(database);
  const end = session.query('SELECT SLEEP(60) AS slept').then(
    ([rows]) => (rows as { slept: number }[])[0]?.slept,
    (error: { errno?: number; code?: string }) => error.errno ?? error.code,
  );
  await waitUntil('the statement runs', async () => (await sleeping(database)).length > before.length);
  return { end };
}

const errnoOf = (work: Promise<unknown>) =>
  work.then(
    () => 0,
    (error: { errno?: number }) => error.errno,
  );

/** ER_QUERY_INTERRUPTED: the statement was stopped, the session lives. ER_NO_SUCH_THREAD. */
const interrupted = 1317;
const noSuchThread = 1094;
const tooMany = 1040;

const session = (service = 'dashboard') => mysqlSession(sluice, service, ann);

async function realIdOf(connection: Connection): Promise<number> {
  const [rows] = await connection.query('SELECT CONNECTION_ID() AS id');
  return (rows as { id: number }[])[0]!.id;
}

describe('a client stops a statement of its own', () => {
  test('the ids that drivers are shown are the front’s, and the server shows its own', quick, async () => {
    const one = await session();
    assert.ok(one.threadId >= firstFrontId);
    assert.ok((await realIdOf(one)) < firstFrontId);
    await one.end();
  });

  test('PyMySQL, by KILL QUERY and thread_id()', quick, async () => {
    const python = path.resolve(import.meta.dirname, '../../build/venv/bin/python');
    const file = path.join(import.meta.dirname, 'clients/kill_pymysql.py');
    const child = spawn('setpriv', ['--pdeathsig=KILL', '--', python, '-B', file], {
      env: { ...process.env, ...sluice.clientEnvironment },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const login = {
      ...{ host: hostnameOf('dashboard'), port: sluice.ports.mysql, ca: sluice.certificates.ca },
      ...ann,
    };
    child.stdin.end(JSON.stringify(login));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    await once(child, 'close');
    const told = JSON.parse(text) as Told;
    assert.equal('code' in told && told.code, interrupted, text);
  });

  test('mariadb’s command line, by Ctrl-C, though its service is full', quick, async () => {
    const child = spawn(
      'setpriv',
      [
        ...['--pdeathsig=KILL', '--', 'mariadb', '--no-defaults', '--batch', '--protocol=tcp'],
        ...[`--host=${hostnameOf('nightly')}`, `--port=${sluice.ports.mysql}`, '--user=ann'],
        ...[`--ssl-ca=${sluice.certificates.ca}`, '--ssl-verify-server-cert', 'reports'],
      ],
      { env: { ...process.env, ...sluice.clientEnvironment, MYSQL_PWD: password }, stdio: 'pipe' },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (part: string) => {
        output += part;
      });
    const closed = once(child, 'close');
    child.stdin.write('SELECT SLEEP(60);\n');
    await waitUntil('the command line waits', async () => (await sleeping()).length === 1);
    child.kill('SIGINT');
    await closed;
    assert.match(output, /Query execution was interrupted/);
    assert.deepEqual(await sleeping(), []);
  });

  for (const statement of ['KILL QUERY', '/* ping */ KILL HARD QUERY', 'kill soft query'])
    test(`mysql2, by ${statement} and threadId`, quick, async () => {
      const [one, other] = [await session(), await session()];
      const { end } = await startSleeping(one);
      await other.query(`${statement} ${one.threadId}`);
      assert.equal(await end, interrupted);
      assert.equal(await realIdOf(one), await realIdOf(one), 'the session goes on');
      await Promise.all([one.end(), other.end()]);
    });

  test('KILL ends the session itself', quick, async () => {
    const [one, other] = [await session(), await session()];
    const { end } = await startSleeping(one);
    const [id] = await sleeping();
    await other.query(`KILL ${one.threadId}`);
    assert.notEqual(await end, 0);
    await waitUntil('the server has no such session', async () => {
      const rows = await reports.server.query('SELECT 1 FROM information_schema.processlist WHERE id = ?', [
        id,
      ]);
      return rows.length === 0;
    });
    await other.end();
  });

  test('by the server’s own id, which passes untouched', quick, async () => {
    const [one, other] = [await session(), await session()];
    const { end } = await startSleeping(one);
    const [id] = await sleeping();
    await other.query(`KILL QUERY ${id}`);
    assert.equal(await end, interrupted);
    await Promise.all([one.end(), other.end()]);
  });

  test('of another service of its tenant, on the same server', quick, async () => {
    const [one, other] = [await session('dashboard'), await session('nightly')];
    const { end } = await startSleeping(one);
    await other.query(`KILL QUERY ${one.threadId}`);
    assert.equal(await end, interrupted);
    await Promise.all([one.end(), other.end()]);
  });
});

/** No slot of the service is taken, as its brain knows it: a server that is free may be so a little earlier. */
const nobodyIs = (name: string) =>
  waitUntil(`nobody is in ${name}`, async () => {
    const { services } = await sluice.brain.status();
    return services.some(({ service, total }) => service === name && total === 0);
  });

describe('a full service with a kill reserve', () => {
  test('its client kills a stuck session, and the slot goes to who waits', quick, async () => {
    const [stuck, busy] = [await session('queued'), await session('queued')];
    // Until then they hold the places at the door of their address, by which who comes to KILL comes too.
    await waitUntil('their logins are known to be accepted', async () => {
      const { rows } = await sluice.brain.sessions();
      return rows.filter(({ service, user }) => service === 'queued' && user !== null).length === 2;
    });
    const { end } = await startSleeping(stuck);
    const waiting = session('queued');
    await waitUntil('a client waits', async () => {
      const { services } = await sluice.brain.status();
      return services.some(({ service, waiting }) => service === 'queued' && waiting === 1);
    });
    const killer = await session('queued');
    assert.equal(await reports.server.count('ann'), 3, 'the limit, as the database counts');
    await killer.query('SET NAMES utf8mb4');
    await killer.query(`KILL ${stuck.threadId}`);
    assert.notEqual(await end, 0);
    const served = await waiting;
    assert.ok(await realIdOf(served));
    assert.ok((await reports.server.count('ann')) <= 3);
    await killer.ping();
    await Promise.all([busy.end(), served.end(), killer.end()]);
  });

  test('who wants anything else reads why it was refused, and its session is over', quick, async () => {
    await nobodyIs('nightly');
    const one = await session('nightly');
    const { end } = await startSleeping(one);
    const other = await session('nightly');
    assert.equal(await errnoOf(session('nightly')), tooMany, 'one is the reserve');
    assert.equal(await reports.server.count('ann'), 2, 'the limit, as the database counts');
    await assert.rejects(other.query('SELECT 1'), {
      errno: tooMany,
      sqlState: '53300',
      message: 'service "nightly" has 1 of its 2 connections in use and keeps the rest for KILL',
    });
    await waitUntil('its slot is free', async () => (await reports.server.count('ann')) === 1);
    const again = await waitUntil('and can be had again', () => session('nightly').catch(() => undefined));
    const disguised = again.query(`KILL QUERY ${one.threadId} /*! ; DO 1 */`);
    assert.equal(await errnoOf(disguised), tooMany);
    assert.equal((await sleeping()).length, 1, 'the statement was hit');
    const third = await waitUntil('once more', () => session('nightly').catch(() => undefined));
    await third.query(`KILL QUERY ${one.threadId}`);
    assert.equal(await end, interrupted);
    await Promise.all([one.end(), third.end()]);
  });

  test('a session for KILL alone is over after ten seconds', { timeout: 60_000 }, async () => {
    await nobodyIs('nightly');
    const one = await session('nightly');
    const startedMs = performance.now();
    const idle = await session('nightly');
    const lastWords = once(idle, 'error');
    assert.equal(await reports.server.count('ann'), 2);
    await waitUntil('it is over', async () => (await reports.server.count('ann')) === 1, 20_000);
    const lastedMs = performance.now() - startedMs;
    assert.ok(lastedMs > 9_000 && lastedMs < 15_000, `${Math.round(lastedMs)} ms`);
    const [error] = (await lastWords) as [{ readonly message: string }];
    assert.match(error.message, /keeps the rest for KILL/);
    await one.end();
  });
});

describe('nobody else is hit', () => {
  let victim: Connection;
  let end: Promise<unknown>;

  before(async () => {
    victim = await session();
    ({ end } = await startSleeping(victim));
  });

  after(async () => {
    assert.equal((await sleeping()).length, 1, 'the statement was hit');
    const [id] = await sleeping();
    await reports.server.query(`KILL QUERY ${id}`);
    assert.equal(await end, interrupted);
    await victim.end();
  });

  for (const [who, service] of [
    ['another tenant', 'stranger'],
    ['a session on another server', 'archive'],
  ] as const)
    test(
      `by ${who}, though the account is the same: 1094, and the asking session goes on`,
      quick,
      async () => {
        const other = await session(service);
        assert.equal(await errnoOf(other.query(`KILL QUERY ${victim.threadId}`)), noSuchThread);
        assert.ok(await realIdOf(other));
        await other.end();
      },
    );

  test('by an id that the front has not given', quick, async () => {
    const other = await session();
    assert.equal(await errnoOf(other.query(`KILL ${firstFrontId + 7}`)), noSuchThread);
    await other.end();
  });

  test('by a KILL in disguise', quick, async () => {
    const other = await session();
    const id = victim.threadId;
    await other.query(`SET @kill = 'KILL QUERY ${id}'`);
    for (const disguised of [`KILL QUERY ${id}+0`, 'EXECUTE IMMEDIATE @kill', `KILL /*! QUERY */ ${id}`])
      assert.notEqual(await errnoOf(other.query(disguised)), 0, disguised);
    await other.end();
  });

  test('by statements that only begin like a KILL', quick, async () => {
    const other = await session();
    assert.equal(await errnoOf(other.query(`KILLED ${victim.threadId}`)), 1064);
    const [rows] = await other.query(`SELECT 'KILL ${victim.threadId}' AS text`);
    assert.deepEqual(rows, [{ text: `KILL ${victim.threadId}` }]);
    await other.end();
  });
});

test('a KILL reaches its session by whatever node', { timeout: 60_000 }, async () => {
  const one = await session();
  const { end } = await startSleeping(one);
  const second = await Envoy.start({ node: 'edge-2', xds: sluice.brain.xds, channel: sluice.brain.channel });
  await second.waitForListener('mysql');
  await sluice.waitUntilInSync();
  // Both would take it (SO_REUSEPORT), so the first stops listening.
  await sluice.envoy.stopListening();
  const other = await session();
  assert.equal(await second.stat('listener.sluice_mysql.downstream_cx_active'), 1);
  await other.query(`KILL QUERY ${one.threadId}`);
  assert.equal(await end, interrupted);
  await Promise.all([one.end(), other.end()]);
});
