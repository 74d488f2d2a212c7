/** Every listed MySQL client in front of MySQL 8.0: the same as in front of MariaDB (test/e2e/drivers.test.ts). */

import path from 'node:path';
import { after, before } from 'node:test';
import { type ClientProgram, clientPrograms, compiledClients } from '../e2e/clients.js';
import { mysqlCli } from '../e2e/command-line.js';
import { tryOut } from '../e2e/driver-cases.js';
import { Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import { mysqlPrograms } from '../harness/mysql.js';
import { ownAddress } from '../harness/own-address.js';
import { protectedMySql } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';

const password = 'correct horse';

let sluice: Sluice;
/** Of another CA than the one that signed the listener's certificate. */
let foreign: Certificates;
/** The server forgets whose password it has seen: the next login by caching_sha2_password is a full one. */
let forget: () => Promise<void>;

before(async () => {
  const authority = await Certificates.create();
  foreign = await Certificates.create();
  const budget = 10;
  const [reports, payroll] = await Promise.all([
    protectedMySql('reports', {
      ...{ budget, databases: ['reports'] },
      accounts: [{ name: 'ann', password, plugin: 'mysql_native_password' }],
    }),
    protectedMySql('payroll', {
      ...{ budget, databases: ['payroll'], certificate: await authority.server(ownAddress) },
      accounts: [{ name: 'ann', password, plugin: 'caching_sha2_password' }],
    }),
  ]);
  Object.assign(payroll.input, { tls: { mode: 'verify-full', ca: authority.ca } });
  for (const { server } of [reports, payroll]) {
    // What MariaDB has built in.
    const database = server === reports.server ? 'reports' : 'payroll';
    await server.query('SET SESSION cte_max_recursion_depth = 5000');
    await server.query(`CREATE TABLE ${database}.seq_1_to_5000 AS
      WITH RECURSIVE numbers (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM numbers WHERE seq < 5000)
      SELECT seq FROM numbers`);
  }
  forget = async () => {
    await payroll.server.query('FLUSH PRIVILEGES');
  };
  sluice = await Sluice.start({
    databases: { reports, payroll },
    services: {
      dashboard: { database: 'reports', max_connections: 5 },
      wages: { database: 'payroll', max_connections: 5 },
      // For those who send no name; not for everybody.
      nightly: { database: 'payroll', max_connections: 2, allow: [{ user: 'ann' }] },
      theirs: { database: 'reports', max_connections: 1, allow: [{ user: 'someone-else' }] },
    },
    listeners: { mysql: { default_service: 'nightly' } },
  });
});

after(stopEverything);

const mysqlClients = [...clientPrograms, ...compiledClients].filter(({ protocol }) => protocol === 'mysql');

const named = ({ sendsName }: ClientProgram) => sendsName;

for (const program of [
  ...mysqlClients,
  {
    ...({ name: 'mysql CLI', protocol: 'mysql', keepsCode: true, sendsName: false } as const),
    ...{ canBeDirect: false, knowsEd25519: false },
    run: (logins, environment) =>
      Promise.all(logins.map((login) => mysqlCli(path.join(mysqlPrograms, 'mysql'), login, environment))),
  } satisfies ClientProgram,
]) {
  tryOut(program, {
    sluice: () => sluice,
    password,
    routes: {
      postgres: [],
      mysql: [
        {
          service: 'dashboard',
          database: 'reports',
          server: 'MySQL 8.0 with mysql_native_password',
          isFor: named,
        },
        { service: 'wages', database: 'payroll', server: 'MySQL 8.0 with caching_sha2_password, full login' },
        { service: 'wages', database: 'payroll', server: 'MySQL 8.0 with caching_sha2_password, fast login' },
      ],
    },
    closed: { postgres: '', mysql: 'theirs' },
    first: () => forget(),
    foreignCa: () => foreign.ca,
  });
}
