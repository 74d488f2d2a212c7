/** What the node counts of a MySQL 8.0 session is what MySQL counts (of MariaDB: test/e2e/following.test.ts). */
import { after, before } from 'node:test';
import { statementsAreCounted } from '../e2e/following-cases.js';
import { stopEverything } from '../harness/ending.js';
import { protectedMySql } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';

const ann = { user: 'ann', password: 'correct horse', database: 'reports' };

let sluice: Sluice;

before(async () => {
  const reports = await protectedMySql('reports', {
    budget: 8,
    accounts: [{ name: ann.user, password: ann.password, plugin: 'mysql_native_password' }],
    databases: [ann.database],
  });
  sluice = await Sluice.start({
    databases: { reports },
    services: { dashboard: { database: 'reports', max_connections: 8 } },
  });
});

after(stopEverything);

statementsAreCounted('MySQL 8.0', () => ({ sluice, service: 'dashboard', account: ann }));
