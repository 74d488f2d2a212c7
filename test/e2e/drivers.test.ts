/**
 * Every listed client, unmodified and by its own normal options: by name, TLS verified, password login, queries; the
 * server's own error for a wrong password; Sluice's refusals in words that the client understands.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { hostnameOf, Sluice, strangersHostname } from '../harness/sluice.js';
import type { Login } from './clients/conversation.js';
import { clientPrograms, mariadbCli, pgbench } from './clients.js';

const password = 'correct horse';

let orders: Protected<Postgres>;
let users: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;

before(async () => {
  [orders, users, reports] = await Promise.all([
    protectedPostgres('orders', { budget: 10, accounts: [{ name: 'ann', password }], databases: ['orders'] }),
    protectedPostgres('users', { budget: 10, accounts: [{ name: 'ann', password }], databases: ['users'] }),
    protectedMariaDb('reports', {
      budget: 10,
      accounts: [
        { name: 'ann', password },
        { name: 'ed', password, plugin: 'ed25519' },
      ],
      databases: ['reports', 'archive'],
    }),
  ]);
  sluice = await Sluice.start({
    databases: { orders, users, reports },
    services: {
      checkout: { database: 'orders', max_connections: 5 },
      accounts: { database: 'users', max_connections: 5 },
      dashboard: { database: 'reports', max_connections: 5 },
      nightly: { database: 'reports', max_connections: 2 },
      // Nobody connects from there.
      vault: { database: 'orders', max_connections: 5, allow: [{ cidr: '192.0.2.0/24' }] },
      ledger: { database: 'reports', max_connections: 1, allow: [{ user: 'someone-else' }] },
    },
    listeners: { mysql: { default_service: 'nightly' } },
  });
});

after(stopEverything);

/** Services that lead to the same kind of database, by which routing by name shows. */
const routes = {
  postgres: [
    { service: 'checkout', database: 'orders' },
    { service: 'accounts', database: 'users' },
  ],
  mysql: [{ service: 'dashboard', database: 'reports' }],
} as const;

const refused = {
  postgres: {
    login: /password authentication failed for user "ann"/,
    loginCode: '28P01',
    notAllowed: '28000',
    unknownName: '08004',
  },
  mysql: { login: /Access denied for user 'ann'/, loginCode: 1045, notAllowed: 1045, unknownName: 1130 },
} as const;

function login(service: string, database: string, protocol: 'postgres' | 'mysql'): Login {
  const port = protocol === 'postgres' ? sluice.ports.pg : sluice.ports.mysql;
  const host = hostnameOf(service);
  return { host, port, user: 'ann', password, database, ca: sluice.certificates.ca };
}

for (const { name, protocol, keepsCode, run } of clientPrograms) {
  const talk = (to: Login) => run(to, sluice.clientEnvironment);
  const expected = refused[protocol];
  const [first] = routes[protocol];

  describe(name, () => {
    for (const { service, database } of routes[protocol]) {
      test(`reaches ${database} by the name of ${service}, logs in and queries`, {
        timeout: 30_000,
      }, async () => {
        const told = await talk(login(service, database, protocol));
        assert.deepEqual(told, { database, doubled: 42, sum: 12_502_500 });
      });
    }

    test("reads the server's own error for a wrong password", { timeout: 30_000 }, async () => {
      const told = await talk({ ...login(first.service, first.database, protocol), password: 'wrong' });
      assert.ok('message' in told, 'it was let in');
      assert.match(told.message, expected.login);
      if (keepsCode) assert.equal(told.code, expected.loginCode);
    });

    test('reads a refusal in its own protocol when no service has the name', {
      timeout: 30_000,
    }, async () => {
      const to = { ...login('checkout', first.database, protocol), host: strangersHostname };
      const told = await talk(to);
      assert.ok('message' in told, 'it was let in');
      assert.match(told.message, /stranger\.db\.test/);
      if (keepsCode) assert.equal(told.code, expected.unknownName);
    });

    test('reads a refusal in its own protocol when the service does not allow it', {
      timeout: 30_000,
    }, async () => {
      const service = protocol === 'postgres' ? 'vault' : 'ledger';
      const told = await talk(login(service, first.database, protocol));
      assert.ok('message' in told, 'it was let in');
      assert.match(told.message, /may not use this service/);
      if (keepsCode) assert.equal(told.code, expected.notAllowed);
    });
  });
}

describe('pgbench', () => {
  test('runs transactions over several connections, and a new one for each', {
    timeout: 60_000,
  }, async () => {
    const done = await pgbench(login('checkout', 'orders', 'postgres'), sluice.clientEnvironment);
    assert.equal(done.failed, 0);
    assert.equal(done.processed, 40);
  });
});

describe('mariadb CLI, which sends no server name', () => {
  test('reaches the default service of its listener', { timeout: 30_000 }, async () => {
    const told = await mariadbCli(login('dashboard', 'reports', 'mysql'), sluice.clientEnvironment);
    assert.deepEqual(told, { database: 'reports', doubled: 42, sum: 12_502_500 });
  });

  test('logs in to an account with ed25519', { timeout: 30_000 }, async () => {
    const to = { ...login('dashboard', 'archive', 'mysql'), user: 'ed' };
    assert.deepEqual(await mariadbCli(to, sluice.clientEnvironment), {
      database: 'archive',
      doubled: 42,
      sum: 12_502_500,
    });
  });

  test("reads the server's own error for a wrong password", { timeout: 30_000 }, async () => {
    const to = { ...login('dashboard', 'reports', 'mysql'), password: 'wrong' };
    const told = await mariadbCli(to, sluice.clientEnvironment);
    assert.ok('message' in told, 'it was let in');
    assert.equal(told.code, 1045);
    assert.match(told.message, /Access denied for user 'ann'/);
  });
});

describe('PyMySQL', () => {
  test('logs in to an account with ed25519', { timeout: 30_000 }, async () => {
    const client = clientPrograms.find(({ name }) => name === 'PyMySQL')!;
    const to = { ...login('dashboard', 'reports', 'mysql'), user: 'ed' };
    const told = await client.run(to, sluice.clientEnvironment);
    assert.deepEqual(told, { database: 'reports', doubled: 42, sum: 12_502_500 });
  });
});
