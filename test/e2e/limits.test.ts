/** Idle and aged sessions end by their limits, in their protocol's own words; work is never cut. */
import { after, before } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { limitedServices, mysqlLimits, postgresLimits } from './limits-cases.js';
import { driversRead, mysqlReadings, postgresReadings } from './rested-clients.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };
/** Postgres ends his idle sessions by itself. */
const bob = { ...ann, user: 'bob' };
const annOfReports = { user: 'ann', password, database: 'reports' };

let orders: Protected<Postgres>;
let invoices: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  const postgres = {
    budget: 10,
    accounts: [
      { name: 'ann', password },
      { name: 'bob', password },
    ],
    databases: ['orders'],
  };
  [orders, invoices, reports] = await Promise.all([
    protectedPostgres('orders', postgres),
    protectedPostgres('invoices', { ...postgres, version: '18' }),
    protectedMariaDb('reports', { budget: 9, accounts: [{ name: 'ann', password }], databases: ['reports'] }),
  ]);
  for (const { server } of [orders, invoices]) await server.query('ALTER DATABASE orders OWNER TO ann');
  await invoices.server.query("ALTER ROLE bob SET idle_session_timeout = '300ms'");
  sluice = await Sluice.start({
    databases: { orders, invoices, reports },
    services: {
      ...limitedServices('orders'),
      ...limitedServices('invoices'),
      ...limitedServices('reports'),
      'free-invoices': { database: 'invoices', max_connections: 1 },
    },
  });
});

after(stopEverything);

const places = {
  'Postgres 15': () => ({ sluice, suffix: '-orders', account: ann, server: orders.server }),
  'Postgres 18': () => ({ sluice, suffix: '-invoices', account: ann, server: invoices.server }),
};
for (const [version, place] of Object.entries(places)) postgresLimits(version, place);
driversRead('Postgres 18', places['Postgres 18'], postgresReadings, bob);

const mariadb = () => ({ sluice, suffix: '-reports', account: annOfReports, server: reports.server });
mysqlLimits('MariaDB', mariadb);
driversRead('MariaDB', mariadb, mysqlReadings);
