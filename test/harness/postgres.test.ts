import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { Certificates } from './certificates.js';
import { stopEverything } from './ending.js';
import { peakWhile } from './peak.js';
import { Postgres } from './postgres.js';

after(stopEverything);

for (const version of ['debian', '18'] as const) {
  describe(`Postgres ${version} of the harness`, () => {
    let certificates: Certificates;
    let server: Postgres;
    before(async () => {
      certificates = await Certificates.create();
      server = await Postgres.start({
        version,
        certificate: await certificates.server('orders.test'),
        maxConnections: 4,
        accounts: [
          { name: 'ann', password: 'secret' },
          { name: 'observer', password: 'o', memberOf: ['pg_monitor'] },
        ],
        databases: ['orders'],
      });
    });

    function client(password: string, options: pg.ClientConfig = {}): pg.Client {
      const { host, port } = server;
      return new pg.Client({ host, port, user: 'ann', password, database: 'orders', ...options });
    }

    test('is the version that was asked for', async () => {
      const [row] = await server.query<Record<string, string>>('SHOW server_version_num');
      if (version === '18') assert.match(Object.values(row!)[0]!, /^18/);
      else assert.doesNotMatch(Object.values(row!)[0]!, /^18/);
    });

    test('counts the sessions of its clients and not its own', async () => {
      const ann = client('secret');
      await ann.connect();
      assert.equal(await server.count(), 1);
      assert.equal(await server.count('ann'), 1);
      assert.equal(await server.count(undefined, ['ann']), 0);
      await ann.end();
    });

    test('asks its accounts for their password', async () => {
      await assert.rejects(client('wrong').connect(), { code: '28P01' });
    });

    test('offers TLS with its certificate', async () => {
      const ann = client('secret', { ssl: { ca: certificates.caText, servername: 'orders.test' } });
      await ann.connect();
      const { rows } = await ann.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
      assert.deepEqual(rows, [{ ssl: true }]);
      await ann.end();
    });

    test('says so when it is full, and the peak is what was seen at once', async () => {
      const { peak } = await peakWhile(
        () => server.count(),
        async () => {
          const three = [client('secret'), client('secret'), client('secret')];
          await Promise.all(three.map((c) => c.connect()));
          assert.equal(server.hasSaidTooMany, false);
          await assert.rejects(client('secret').connect(), { code: '53300' });
          await Promise.all(three.map((c) => c.end()));
        },
      );
      assert.equal(peak, 3);
      assert.equal(server.hasSaidTooMany, true);
    });
  });
}

test('certificates are issued for a name or an address', async () => {
  const certificates = await Certificates.create();
  assert.ok((await certificates.server('a.example', '127.0.0.1')).chain);
  assert.ok((await certificates.client('spiffe://shop/checkout')).key);
});
