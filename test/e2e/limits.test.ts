/** Idle and aged sessions end by their limits, in their protocol's own words; work is never cut. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { observer, type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { runProgram } from './run-program.js';
import { backendOf, mysqlSession, postgresSession } from './sessions.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };
const annOfReports = { user: 'ann', password, database: 'reports' };

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  [orders, reports] = await Promise.all([
    protectedPostgres('orders', { budget: 20, accounts: [{ name: 'ann', password }], databases: ['orders'] }),
    protectedMariaDb('reports', { budget: 20, accounts: [{ name: 'ann', password }], databases: ['reports'] }),
  ]);
  await orders.server.query('ALTER DATABASE orders OWNER TO ann');
  const pg = { database: 'orders', max_connections: 20 };
  const my = { database: 'reports', max_connections: 20 };
  sluice = await Sluice.start({
    databases: { orders, reports },
    services: {
      idle: { ...pg, idle: { session_ms: 300 } },
      hasty: { ...pg, idle: { session_ms: 60_000, transaction_ms: 300 } },
      aged: { ...pg, idle: { age_ms: 1_000 } },
      'idle-my': { ...my, idle: { session_ms: 300 } },
      'hasty-my': { ...my, idle: { session_ms: 60_000, transaction_ms: 300 } },
      'aged-my': { ...my, idle: { age_ms: 1_000 } },
    },
  });
});

after(stopEverything);

test('spike', async () => {
  for (const driver of ['PyMySQL', 'mysql-connector-python', 'mysqlclient', 'psycopg 3', 'psycopg 2', 'pg8000']) {
    const isPg = /pg/.test(driver);
    const login = { host: hostnameOf(isPg ? 'idle' : 'idle-my'), port: isPg ? sluice.ports.pg : sluice.ports.mysql, ca: sluice.certificates.ca, ...(isPg ? ann : annOfReports) };
    const done = await runProgram(path.resolve(import.meta.dirname, '../../build/venv/bin/python'), ['-B', path.join(import.meta.dirname, 'clients/outlived.py')], sluice.clientEnvironment, JSON.stringify([driver, login]));
    console.log(driver, done.stdout, done.stderr.slice(-300));
  }
});
