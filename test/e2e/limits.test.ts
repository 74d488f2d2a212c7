/** Idle and aged sessions end by their limits, in their protocol's own words; work is never cut. */
import { after, before } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { limitedServices, mysqlLimits, postgresLimits } from './limits-cases.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };
const annOfReports = { user: 'ann', password, database: 'reports' };

let orders: Protected<Postgres>;
let invoices: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  const postgres = { budget: 9, accounts: [{ name: 'ann', password }], databases: ['orders'] };
  [orders, invoices, reports] = await Promise.all([
    protectedPostgres('orders', postgres),
    protectedPostgres('invoices', { ...postgres, version: '18' }),
    protectedMariaDb('reports', { budget: 9, accounts: [{ name: 'ann', password }], databases: ['reports'] }),
  ]);
  for (const { server } of [orders, invoices]) await server.query('ALTER DATABASE orders OWNER TO ann');
  sluice = await Sluice.start({
    databases: { orders, invoices, reports },
    services: {
      ...limitedServices('orders'),
      ...limitedServices('invoices'),
      ...limitedServices('reports'),
    },
  });
});

after(stopEverything);

for (const [version, suffix, database] of [
  ['Postgres 15', '-orders', () => orders],
  ['Postgres 18', '-invoices', () => invoices],
] as const)
  postgresLimits(version, () => ({ sluice, suffix, account: ann, server: database().server }));

mysqlLimits('MariaDB', () => ({ sluice, suffix: '-reports', account: annOfReports, server: reports.server }));
