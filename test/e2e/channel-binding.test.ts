/**
 * Clients that bind their login to the certificate they see: psql as it is, with each setting it has, in front of a
 * Postgres with SCRAM accounts that has no TLS, a certificate of its own, or the one that the service shows.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import { ownAddress } from '../harness/own-address.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';

const password = 'correct horse';
const versions = ['debian', '18'] as const;
type Version = (typeof versions)[number];

let authority: Certificates;
let sluice: Sluice;

/** Certificate of the service `bound`, and of its database. */
const bound = (version: Version) => `bound-${version}`;
const apart = (version: Version) => `apart-${version}`;

before(async () => {
  authority = await Certificates.create();
  const databases: Record<string, Protected<Postgres>> = {};
  const services: Parameters<typeof Sluice.start>[0]['services'] = {};
  const options = { budget: 5, accounts: [{ name: 'ann', password }], databases: ['orders'] };
  await Promise.all(
    versions.flatMap((version) => [
      (async () => {
        const name = bound(version);
        const certificate = await authority.server(hostnameOf(name), ownAddress);
        const found = await protectedPostgres(name, { ...options, version, certificate });
        const tls = { mode: 'verify-full', ca: authority.ca } as const;
        databases[name] = { ...found, input: { ...found.input, tls } };
        Object.assign(services, { [name]: { database: name, max_connections: 5, certificate } });
      })(),
      (async () => {
        const name = apart(version);
        const certificate = await authority.server(ownAddress);
        const found = await protectedPostgres(name, { ...options, version, certificate });
        const tls = { mode: 'require' } as const;
        databases[name] = { ...found, input: { ...found.input, tls } };
        Object.assign(services, { [name]: { database: name, max_connections: 5 } });
      })(),
    ]),
  );
  databases.plain = await protectedPostgres('plain', options);
  Object.assign(services, { plain: { database: 'plain', max_connections: 5 } });
  sluice = await Sluice.start({ databases, services });
});

after(stopEverything);

type Binding = 'disable' | 'prefer' | 'require';

/** What psql prints, or why it did not get in. Without `binding` it does what it does by default. */
function psql(service: string, binding?: Binding, login = password): Promise<string> {
  const env = {
    ...process.env,
    ...sluice.clientEnvironment,
    PGHOST: hostnameOf(service),
    PGPORT: `${sluice.ports.pg}`,
    PGUSER: 'ann',
    PGPASSWORD: login,
    PGDATABASE: 'orders',
    PGSSLMODE: 'verify-full',
    PGSSLROOTCERT: service.startsWith('bound') ? authority.ca : sluice.certificates.ca,
    ...(binding && { PGCHANNELBINDING: binding }),
  };
  const sql = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
  const args = ['--no-psqlrc', '--tuples-only', '--no-align', `--command=${sql}`];
  return new Promise((resolve) => {
    execFile('psql', args, { env, timeout: 20_000 }, (error, stdout, stderr) =>
      resolve(error ? stderr : stdout.trim()),
    );
  });
}

for (const version of versions)
  describe(`Postgres (${version}) with TLS`, () => {
    for (const binding of [undefined, 'disable', 'prefer', 'require'] as const)
      test(`and the certificate that the service shows: ${binding ?? 'default'} logs in`, async () => {
        assert.equal(await psql(bound(version), binding), 't');
      });

    test('and a certificate of its own: a client that binds reads what to do', async () => {
      for (const binding of [undefined, 'prefer', 'require'] as const) {
        const told = await psql(apart(version), binding);
        assert.match(told, /FATAL: {2}SCRAM channel binding check failed/);
        assert.match(told, /HINT: .*the TLS certificate of the proxy.*channel_binding=disable/);
        assert.match(told, /PGCHANNELBINDING=disable.*channelBinding=disable \(pgjdbc\)/);
      }
    });

    test('and a certificate of its own: a client that does what it is told logs in', async () => {
      assert.equal(await psql(apart(version), 'disable'), 't');
    });

    test('a wrong password is the server’s own error, without a hint', async () => {
      for (const [service, binding] of [
        [apart(version), 'disable'],
        [bound(version), 'require'],
      ] as const) {
        const told = await psql(service, binding, 'wrong');
        assert.match(told, /password authentication failed for user "ann"/);
        assert.doesNotMatch(told, /HINT/);
      }
    });
  });

describe('Postgres without TLS', () => {
  for (const binding of [undefined, 'disable', 'prefer'] as const)
    test(`${binding ?? 'default'} logs in`, async () => {
      assert.equal(await psql('plain', binding), 'f');
    });

  test('who insists on binding is told by his own driver', async () => {
    assert.match(await psql('plain', 'require'), /channel binding/);
  });
});

test('the operator is told which services’ clients are concerned, before one of them connects', async () => {
  const { warnings } = await waitUntil('the observers have seen the certificates', async () => {
    const { spec } = await sluice.brain.status();
    return spec.warnings.some(({ path }) => path === `services.${apart('18')}`) && spec;
  });
  const paths = warnings.map(({ path }) => path).filter((path) => path.startsWith('services.'));
  assert.deepEqual(paths.sort(), versions.map((version) => `services.${apart(version)}`).sort());
  assert.match(JSON.stringify(warnings), /channel_binding=disable/);
});
