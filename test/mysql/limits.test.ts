/** Sessions of MySQL 8.0 end by their limits like those of MariaDB (test/e2e/limits.test.ts). */
import { after, before } from 'node:test';
import { limitedServices, mysqlLimits } from '../e2e/limits-cases.js';
import { driversRead, mysqlReadings } from '../e2e/rested-clients.js';
import { stopEverything } from '../harness/ending.js';
import type { MySql } from '../harness/mysql.js';
import { type Protected, protectedMySql } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';

const ann = { user: 'ann', password: 'correct horse', database: 'reports' };

let reports: Protected<MySql>;
let sluice: Sluice;

before(async () => {
  reports = await protectedMySql('reports', {
    budget: 9,
    accounts: [{ name: ann.user, password: ann.password, plugin: 'mysql_native_password' }],
    databases: [ann.database],
  });
  sluice = await Sluice.start({ databases: { reports }, services: limitedServices('reports') });
});

after(stopEverything);

const place = () => ({ sluice, suffix: '-reports', account: ann, server: reports.server });
mysqlLimits('MySQL 8.0', place);
driversRead('MySQL 8.0', place, mysqlReadings);
