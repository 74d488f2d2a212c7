/** What the nodes count of a session is what its database counts. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { statementsAreCounted, transactionsAreCounted } from './following-cases.js';
import { fateOf, mysqlSession, postgresSession } from './sessions.js';

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

for (const [version, service, database] of [
  ['Postgres 15', 'checkout', () => orders],
  ['Postgres 18', 'billing', () => invoices],
] as const)
  transactionsAreCounted(version, () => ({ sluice, service, account: ann, server: database().server }));

statementsAreCounted('MariaDB', () => ({ sluice, service: 'dashboard', account: annOfReports }));

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
