/**
 * Every listed client, unmodified and by its own normal options: by name, TLS verified, password login, queries; the
 * server's own error for a wrong password; Sluice's refusals in words that the client understands.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import { protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { hostnameOf, Sluice, strangersHostname } from '../harness/sluice.js';
import type { Login, Told } from './clients/conversation.js';
import { type ClientProgram, clientPrograms, compiledClients } from './clients.js';
import { pgbench } from './command-line.js';

const password = 'correct horse';

let sluice: Sluice;
/** Of another CA than the one that signed the listeners' certificate. */
let foreignCa: string;

before(async () => {
  const ann = { name: 'ann', password };
  const [orders, users, reports, certificates] = await Promise.all([
    protectedPostgres('orders', { budget: 10, accounts: [ann], databases: ['orders'] }),
    protectedPostgres('users', { version: '18', budget: 10, accounts: [ann], databases: ['users'] }),
    protectedMariaDb('reports', {
      budget: 10,
      accounts: [ann, { name: 'ed', password, plugin: 'ed25519' }],
      databases: ['reports', 'archive'],
    }),
    Certificates.create(),
  ]);
  foreignCa = certificates.ca;
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

interface Route {
  readonly service: string;
  readonly database: string;
  /** What the database is, for the reader. */
  readonly server: string;
}

/** Services that lead to the same kind of database, by which routing by name shows. */
const routes: Readonly<Record<ClientProgram['protocol'], readonly [Route, ...Route[]]>> = {
  postgres: [
    { service: 'checkout', database: 'orders', server: "Debian's Postgres" },
    { service: 'accounts', database: 'users', server: 'Postgres 18' },
  ],
  mysql: [{ service: 'dashboard', database: 'reports', server: 'MariaDB' }],
};

const refused = {
  postgres: {
    login: /password authentication failed for user "ann"/,
    loginCode: '28P01',
    notAllowed: '28000',
    unknownName: '08004',
  },
  mysql: { login: /Access denied for user 'ann'/, loginCode: 1045, notAllowed: 1045, unknownName: 1130 },
} as const;

/** A login, and what must come of it. */
interface Case {
  readonly sentence: string;
  readonly login: () => Login;
  readonly judge: (told: Told) => void;
}

function casesOf({ protocol, keepsCode, sendsName, canBeDirect, knowsEd25519 }: ClientProgram): Case[] {
  const expected = refused[protocol];
  const [first] = routes[protocol];
  const to = (service: string, database: string, more: Partial<Login> = {}): Login => ({
    ...{ host: hostnameOf(service), user: 'ann', password, database, ca: sluice.certificates.ca },
    port: protocol === 'postgres' ? sluice.ports.pg : sluice.ports.mysql,
    ...more,
  });
  const isServedBy = (database: string) => (told: Told) =>
    assert.deepEqual(told, { database, doubled: 42, sum: 12_502_500 });
  const isRefused = (text: RegExp, code: string | number) => (told: Told) => {
    assert.ok('message' in told, 'it was let in');
    assert.match(told.message, text);
    if (keepsCode) assert.equal(told.code, code);
  };

  const cases: Case[] = [];
  for (const { service, database, server } of routes[protocol]) {
    const way = sendsName ? `by the name of ${service}` : 'by the default service of the listener';
    cases.push({
      sentence: `reaches ${database} on ${server} ${way}, logs in and queries`,
      login: () => to(service, database),
      judge: isServedBy(database),
    });
    if (canBeDirect) {
      cases.push({
        sentence: `reaches ${database} on ${server} ${way} when it begins with TLS`,
        login: () => to(service, database, { direct: true }),
        judge: isServedBy(database),
      });
    }
    cases.push({
      sentence: `reads the own error of ${server} for a wrong password`,
      login: () => to(service, database, { password: 'wrong' }),
      judge: isRefused(expected.login, expected.loginCode),
    });
  }
  if (knowsEd25519) {
    cases.push({
      sentence: 'logs in to an account with ed25519',
      login: () => to(first.service, 'archive', { user: 'ed' }),
      judge: isServedBy('archive'),
    });
  }
  if (sendsName) {
    cases.push({
      sentence: 'reads a refusal in its own protocol when no service has the name',
      login: () => to(first.service, first.database, { host: strangersHostname }),
      judge: isRefused(/stranger\.db\.test/, expected.unknownName),
    });
  }
  cases.push({
    sentence: 'reads a refusal in its own protocol when the service does not allow it',
    login: () =>
      sendsName
        ? to(protocol === 'postgres' ? 'vault' : 'ledger', first.database)
        : to(first.service, first.database, { user: 'stranger' }),
    judge: isRefused(/may not use this service/, expected.notAllowed),
  });
  cases.push({
    sentence: 'goes away from a certificate that it cannot verify',
    login: () => to(first.service, first.database, { ca: foreignCa }),
    judge: (told) => {
      assert.ok('message' in told, 'it was let in');
      assert.match(told.message, /certificate|certification path|trust anchors/i);
    },
  });
  return cases;
}

for (const program of [...clientPrograms, ...compiledClients]) {
  describe(program.name, () => {
    const cases = casesOf(program);
    let told: readonly Told[];
    before(async () => {
      told = await program.run(
        cases.map(({ login }) => login()),
        sluice.clientEnvironment,
      );
    });
    for (const [index, { sentence, judge }] of cases.entries()) test(sentence, () => judge(told[index]!));
  });
}

describe('pgbench', () => {
  test('runs transactions over several connections, and a new one for each', {
    timeout: 60_000,
  }, async () => {
    const [{ service, database }] = routes.postgres;
    const login = {
      ...{ host: hostnameOf(service), port: sluice.ports.pg, user: 'ann', password, database },
      ca: sluice.certificates.ca,
    };
    const done = await pgbench(login, sluice.clientEnvironment);
    assert.equal(done.failed, 0);
    assert.equal(done.processed, 40);
  });
});
