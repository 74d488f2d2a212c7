/**
 * Every listed client, unmodified and by its own normal options: by name, TLS verified, password login, queries; the
 * server's own error for a wrong password; Sluice's refusals in words that the client understands.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import { ownAddress } from '../harness/own-address.js';
import { protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import { clientPrograms, compiledClients } from './clients.js';
import { pgbench } from './command-line.js';
import { tryOut } from './driver-cases.js';

const password = 'correct horse';

let sluice: Sluice;
/** Of another CA than the one that signed the listeners' certificate. */
let foreign: Certificates;
/** Of the databases that have TLS. */
let authority: Certificates;

before(async () => {
  const accounts = [{ name: 'ann', password }];
  [foreign, authority] = await Promise.all([Certificates.create(), Certificates.create()]);
  const { ca } = authority;
  // Shown by the server and by the service in front of it: logins that are bound to the certificate work too.
  const [vaults, crews] = await Promise.all([
    authority.server(hostnameOf('bank'), ownAddress),
    authority.server(hostnameOf('crew'), ownAddress),
  ]);
  const withEd = [...accounts, { name: 'ed', password, plugin: 'ed25519' as const }];
  const [orders, users, vault, crew, reports, archive] = await Promise.all([
    protectedPostgres('orders', { budget: 10, accounts, databases: ['orders'] }),
    protectedPostgres('users', { version: '18', budget: 10, accounts, databases: ['users'] }),
    protectedPostgres('vault', { budget: 10, accounts, databases: ['vault'], certificate: vaults }),
    protectedPostgres('crew', {
      version: '18',
      budget: 10,
      accounts,
      databases: ['crew'],
      certificate: crews,
    }),
    protectedMariaDb('reports', { budget: 10, accounts: withEd, databases: ['reports', 'ledger'] }),
    protectedMariaDb('archive', { budget: 10, accounts, databases: ['archive'], certificate: vaults }),
  ]);
  Object.assign(vault.input, { tls: { mode: 'verify-full', ca } });
  Object.assign(crew.input, { tls: { mode: 'verify-full', ca, negotiation: 'direct' } });
  Object.assign(archive.input, { tls: { mode: 'verify-full', ca } });
  sluice = await Sluice.start({
    databases: { orders, users, vault, crew, reports, archive },
    services: {
      checkout: { database: 'orders', max_connections: 5 },
      accounts: { database: 'users', max_connections: 5 },
      bank: { database: 'vault', max_connections: 5, certificate: vaults },
      crew: { database: 'crew', max_connections: 5, certificate: crews },
      dashboard: { database: 'reports', max_connections: 5 },
      archive: { database: 'archive', max_connections: 5 },
      // For those who send no name; not for everybody.
      nightly: { database: 'reports', max_connections: 2, allow: [{ user: 'ann' }, { user: 'ed' }] },
      // Nobody connects from there.
      closed: { database: 'orders', max_connections: 5, allow: [{ cidr: '192.0.2.0/24' }] },
      theirs: { database: 'reports', max_connections: 1, allow: [{ user: 'someone-else' }] },
    },
    listeners: { mysql: { default_service: 'nightly' } },
  });
});

after(stopEverything);

const ca = () => authority.ca;

for (const program of [...clientPrograms, ...compiledClients]) {
  tryOut(program, {
    sluice: () => sluice,
    password,
    routes: {
      postgres: [
        { service: 'checkout', database: 'orders', server: "Debian's Postgres" },
        { service: 'accounts', database: 'users', server: 'Postgres 18' },
        { service: 'bank', database: 'vault', server: "Debian's Postgres with TLS", ca },
        { service: 'crew', database: 'crew', server: 'Postgres 18 with direct TLS', ca },
      ],
      mysql: [
        { service: 'dashboard', database: 'reports', server: 'MariaDB' },
        {
          service: 'archive',
          database: 'archive',
          server: 'MariaDB with TLS',
          isFor: ({ sendsName }) => sendsName,
        },
        {
          ...{ service: 'dashboard', database: 'ledger', server: 'MariaDB with ed25519', user: 'ed' },
          isFor: ({ knowsEd25519 }) => knowsEd25519,
        },
      ],
    },
    closed: { postgres: 'closed', mysql: 'theirs' },
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
