import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { Certificates } from './certificates.js';
import { stopEverything } from './ending.js';
import { peakWhile } from './peak.js';
import { Postgres } from './postgres.js';

let server: Postgres;
before(async () => {
  server = await Postgres.start({
    maxConnections: 4,
    accounts: [
      { name: 'ann', password: 'secret' },
      { name: 'observer', password: 'o', memberOf: ['pg_monitor'] },
    ],
    databases: ['orders'],
  });
});
after(stopEverything);

function client(password: string): pg.Client {
  return new pg.Client({ host: server.host, port: server.port, user: 'ann', password, database: 'orders' });
}

test('a Postgres of the harness counts the sessions of its clients and not its own', async () => {
  const ann = client('secret');
  await ann.connect();
  assert.equal(await server.count(), 1);
  assert.equal(await server.count('ann'), 1);
  assert.equal(await server.count(undefined, ['ann']), 0);
  await ann.end();
});

test('its accounts are asked for their password', async () => {
  await assert.rejects(client('wrong').connect(), { code: '28P01' });
});

test('it says so when it is full, and the peak is what was seen at once', async () => {
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

test('certificates are issued for a name', async () => {
  const certificates = await Certificates.create();
  assert.ok((await certificates.server('a.example', 'b.example')).chain);
  assert.ok((await certificates.client('spiffe://shop/checkout')).key);
});
