/** What the nodes count of a session is what its database counts. */
import assert from 'node:assert/strict';
import net from 'node:net';
import type { Writable } from 'node:stream';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { statementsAreCounted, transactionsAreCounted } from './following-cases.js';
import { fateOf, mysqlSession, postgresClient, postgresSession } from './sessions.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };
const annOfReports = { user: 'ann', password, database: 'reports' };

let orders: Protected<Postgres>;
let invoices: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  const postgres = { budget: 20, accounts: [{ name: 'ann', password }], databases: ['orders'] };
  [orders, invoices, reports] = await Promise.all([
    protectedPostgres('orders', postgres),
    protectedPostgres('invoices', { ...postgres, version: '18' }),
    protectedMariaDb('reports', { budget: 8, accounts: [{ name: 'ann', password }], databases: ['reports'] }),
  ]);
  for (const { server } of [orders, invoices]) await server.query('ALTER DATABASE orders OWNER TO ann');
  sluice = await Sluice.start({
    databases: { orders, invoices, reports },
    services: {
      checkout: { database: 'orders', max_connections: 20 },
      billing: { database: 'invoices', max_connections: 20 },
      dashboard: { database: 'reports', max_connections: 8 },
    },
  });
});

after(stopEverything);

/** Waits until the node has said of the only session of `service` that it rests, and has done as much. */
async function restsHaving(service: string, done: { queries: number; errors: number }): Promise<void> {
  await waitUntil(`the session rests, having done ${JSON.stringify(done)}`, async () => {
    const { rows } = await sluice.brain.sessions();
    const [shown, ...more] = rows.filter((row) => row.service === service);
    const { state, queries, errors } = shown?.activity ?? {};
    return state === 'idle' && queries === done.queries && errors === done.errors && more.length === 0;
  });
}

async function unfollowed(protocol: string): Promise<number> {
  return await sluice.envoy.stat(`dynamicmodulescustom.sluice.${protocol}.unfollowed`);
}

/** Parse of what is no SQL, and ahead of their Sync a Query and an Execute that nobody answers; returns the error's code. */
function failedBatch(client: pg.Client): Promise<string | undefined> {
  return new Promise((resolve) => {
    const batch = {
      submit(connection: pg.Connection): void {
        connection.parse({ name: '', text: 'SELCT 1', types: [] }, true);
        connection.query('SELECT 2');
        connection.execute({}, true);
        connection.sync();
      },
      handleError: (error: pg.DatabaseError) => resolve(error.code),
      handleReadyForQuery: () => {},
    };
    client.query(batch);
  });
}

/** The proof of its login, in the hands of the driver. */
interface Scram {
  readonly stream: Writable;
  sendSCRAMClientFinalMessage(proof: string): void;
}

const messageOfNoLength = Buffer.from('Q\0\0\0\x03');

for (const [version, service, database] of [
  ['Postgres 15', 'checkout', () => orders],
  ['Postgres 18', 'billing', () => invoices],
] as const)
  transactionsAreCounted(version, () => ({ sluice, service, account: ann, server: database().server }));

statementsAreCounted('MariaDB', () => ({ sluice, service: 'dashboard', account: annOfReports }));

/** The only session, when its node has reported it and the database has shown its account. */
async function whose(): Promise<{ readonly user: string; readonly client: string }> {
  return await waitUntil('the session shows whose it is', async () => {
    const { rows } = await sluice.brain.sessions();
    const [shown, ...more] = rows.filter(({ state }) => state !== 'closing');
    if (!shown || more.length > 0 || shown.user === null || shown.client === null) return false;
    return { user: shown.user, client: shown.client };
  });
}

test('a session shows whose it is: its client’s own address, and the account that the database has for it', async () => {
  const addressOf = ({ localAddress, localPort }: net.Socket): string => `${localAddress}:${localPort}`;
  for (const service of ['checkout', 'billing']) {
    const stream = new net.Socket();
    const client = await postgresSession(sluice, service, ann, { stream });
    assert.deepEqual(await whose(), { user: 'ann', client: addressOf(stream) }, service);
    await client.end();
  }
  const socket = net.connect(sluice.ports.mysql, sluice.host);
  const client = await mysqlSession(sluice, 'dashboard', annOfReports, socket);
  assert.deepEqual(await whose(), { user: 'ann', client: addressOf(socket) });
  await client.end();
});

test('a session shows what it does, for how long, and what it has done', async () => {
  const client = await postgresSession(sluice, 'checkout', ann);
  await client.query('SELECT 1');
  await fateOf(() => client.query('SELCT 1'));
  await client.query('BEGIN');
  const [shown] = await waitUntil('the node has said what it does', async () => {
    const { rows } = await sluice.brain.sessions();
    return rows.length === 1 && rows[0]!.activity?.state === 'transaction' && rows;
  });
  const { transactions, queries, errors } = shown!.activity!;
  assert.deepEqual({ transactions, queries, errors }, { transactions: 2, queries: 3, errors: 1 });
  await waitUntil('it has rested for longer than before', async () => {
    const { rows } = await sluice.brain.sessions();
    return rows[0]!.activity!.for_ms! > shown!.activity!.for_ms!;
  });
  await client.end();
});

for (const [version, service] of [
  ['Postgres 15', 'checkout'],
  ['Postgres 18', 'billing'],
] as const)
  test(`${version}: a session rests behind an error and what the server has dropped behind it`, async () => {
    const client = await postgresSession(sluice, service, ann);
    assert.equal(await failedBatch(client), '42601');
    await restsHaving(service, { queries: 2, errors: 1 });
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
    await restsHaving(service, { queries: 3, errors: 1 });
    await client.end();
    assert.equal(await unfollowed('postgres'), 0);
  });

test('a session whose change of user the server refuses rests as before', async () => {
  const client = await mysqlSession(sluice, 'dashboard', annOfReports);
  await client.query('BEGIN');
  const refused = await fateOf(() => client.changeUser({ password: 'wrong horse' }));
  assert.deepEqual(refused, { served: false, code: 1045 });
  await restsHaving('dashboard', { queries: 1, errors: 1 });
  await client.query('SELECT 1');
  await restsHaving('dashboard', { queries: 2, errors: 1 });
  await client.end();
});

test('a session that can no longer be followed when its login is over is counted as such', async () => {
  const before = await unfollowed('postgres');
  const client = postgresClient(sluice, 'checkout', ann);
  const { connection } = client as unknown as { connection: Scram };
  const prove = connection.sendSCRAMClientFinalMessage.bind(connection);
  connection.sendSCRAMClientFinalMessage = (proof) => {
    prove(proof);
    connection.stream.write(messageOfNoLength);
  };
  await client.connect().catch(() => {});
  await waitUntil('it is counted', async () => (await unfollowed('postgres')) === before + 1);
});

test('a client that the server turns away is counted with the reason', async () => {
  const failed = async (service: string): Promise<number> => {
    const lines = (await sluice.brain.metrics()).split('\n');
    const start = 'sluice_logins_failed_total{';
    const line = lines.find((each) => each.startsWith(start) && each.includes(`"${service}"`));
    return line?.includes('reason="credentials"') ? Number(line.split(' ').at(-1)) : 0;
  };
  const wrong = { password: 'wrong horse' };
  await fateOf(() => postgresSession(sluice, 'checkout', { ...ann, ...wrong }));
  await fateOf(() => mysqlSession(sluice, 'dashboard', { ...annOfReports, ...wrong }));
  for (const service of ['checkout', 'dashboard'])
    await waitUntil(`it is counted for ${service}`, async () => (await failed(service)) === 1);
  for (const protocol of ['postgres', 'mysql'])
    assert.equal(await sluice.envoy.stat(`dynamicmodulescustom.sluice.${protocol}.logins_failed`), 1);
});
