/** Every listed MySQL client in front of MySQL 8.0: the same as in front of MariaDB (test/e2e/drivers.test.ts). */

import path from 'node:path';
import { after, before } from 'node:test';
import { clientPrograms, compiledClients } from '../e2e/clients.js';
import { mysqlCli } from '../e2e/command-line.js';
import { tryOut } from '../e2e/driver-cases.js';
import { Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import { mysqlPrograms } from '../harness/mysql.js';
import { protectedMySql } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';

const password = 'correct horse';

let sluice: Sluice;
/** Of another CA than the one that signed the listener's certificate. */
let foreign: Certificates;

before(async () => {
  foreign = await Certificates.create();
  const reports = await protectedMySql('reports', {
    budget: 10,
    accounts: [{ name: 'ann', password, plugin: 'mysql_native_password' }],
    databases: ['reports'],
  });
  // What MariaDB has built in.
  await reports.server.query('SET SESSION cte_max_recursion_depth = 5000');
  await reports.server.query(`CREATE TABLE reports.seq_1_to_5000 AS
    WITH RECURSIVE numbers (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM numbers WHERE seq < 5000)
    SELECT seq FROM numbers`);
  sluice = await Sluice.start({
    databases: { reports },
    services: {
      dashboard: { database: 'reports', max_connections: 5 },
      // For those who send no name; not for everybody.
      nightly: { database: 'reports', max_connections: 2, allow: [{ user: 'ann' }] },
      ledger: { database: 'reports', max_connections: 1, allow: [{ user: 'someone-else' }] },
    },
    listeners: { mysql: { default_service: 'nightly' } },
  });
});

after(stopEverything);

const mysqlClients = [...clientPrograms, ...compiledClients].filter(({ protocol }) => protocol === 'mysql');

for (const program of [
  ...mysqlClients,
  {
    ...({ name: 'mysql CLI', protocol: 'mysql', keepsCode: true, sendsName: false } as const),
    ...{ canBeDirect: false, knowsEd25519: false },
    run: (logins, environment) =>
      Promise.all(logins.map((login) => mysqlCli(path.join(mysqlPrograms, 'mysql'), login, environment))),
  } satisfies (typeof clientPrograms)[number],
]) {
  tryOut(program, {
    sluice: () => sluice,
    password,
    routes: {
      postgres: [],
      mysql: [{ service: 'dashboard', database: 'reports', server: 'MySQL 8.0' }],
    },
    closed: { postgres: '', mysql: 'ledger' },
    foreignCa: () => foreign.ca,
  });
}
