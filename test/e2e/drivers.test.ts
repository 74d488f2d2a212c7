/**
 * Every listed client, unmodified and by its own normal options: by name, TLS verified, password login, queries; the
 * server's own error for a wrong password; Sluice's refusals in words that the client understands.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import { protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import { clientPrograms, compiledClients } from './clients.js';
import { pgbench } from './command-line.js';
import { tryOut } from './driver-cases.js';

const password = 'correct horse';

let sluice: Sluice;
/** Of another CA than the one that signed the listeners' certificate. */
let foreign: Certificates;

before(async () => {
  const ann = { name: 'ann', password };
  const [orders, users, reports] = await Promise.all([
    protectedPostgres('orders', { budget: 10, accounts: [ann], databases: ['orders'] }),
    protectedPostgres('users', { version: '18', budget: 10, accounts: [ann], databases: ['users'] }),
    protectedMariaDb('reports', {
      budget: 10,
      accounts: [ann, { name: 'ed', password, plugin: 'ed25519' }],
      databases: ['reports', 'archive'],
    }),
  ]);
  foreign = await Certificates.create();
  sluice = await Sluice.start({
    databases: { orders, users, reports },
    services: {
      checkout: { database: 'orders', max_connections: 8 },
      accounts: { database: 'users', max_connections: 5 },
      dashboard: { database: 'reports', max_connections: 5 },
      // For those who send no name; not for everybody.
      nightly: { database: 'reports', max_connections: 2, allow: [{ user: 'ann' }, { user: 'ed' }] },
      // Nobody connects from there.
      vault: { database: 'orders', max_connections: 5, allow: [{ cidr: '192.0.2.0/24' }] },
      ledger: { database: 'reports', max_connections: 1, allow: [{ user: 'someone-else' }] },
    },
    listeners: { mysql: { default_service: 'nightly' } },
  });
});

after(stopEverything);

for (const program of [...clientPrograms, ...compiledClients]) {
  tryOut(program, {
    sluice: () => sluice,
    password,
    routes: {
      postgres: [
        { service: 'checkout', database: 'orders', server: "Debian's Postgres" },
        { service: 'accounts', database: 'users', server: 'Postgres 18' },
      ],
      mysql: [
        { service: 'dashboard', database: 'reports', server: 'MariaDB' },
        {
          ...{ service: 'dashboard', database: 'archive', server: 'MariaDB with ed25519', user: 'ed' },
          isFor: ({ knowsEd25519 }) => knowsEd25519,
        },
      ],
    },
    closed: { postgres: 'vault', mysql: 'ledger' },
    foreignCa: () => foreign.ca,
  });
}

describe('pgbench', () => {
  test('runs transactions over several connections, and a new one for each', {
    timeout: 60_000,
  }, async () => {
    const login = {
      ...{ host: hostnameOf('checkout'), port: sluice.ports.pg, user: 'ann', password, database: 'orders' },
      ca: sluice.certificates.ca,
    };
    const done = await pgbench(login, sluice.clientEnvironment);
    assert.equal(done.failed, 0);
    assert.equal(done.processed, 40);
  });
});
