/** Brains and nodes on one machine, without certificates: asked for, and otherwise like any other. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Brain } from '../harness/brain.js';
import { stopEverything } from '../harness/ending.js';
import { Envoy } from '../harness/envoy.js';
import { Etcd } from '../harness/etcd.js';
import { protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { backendOf, postgresSession } from './sessions.js';

const account = { user: 'ann', password: 'correct horse', database: 'orders' };

after(stopEverything);

test('a node on loopback is served without certificates, and is who it says it is', {
  timeout: 60_000,
}, async () => {
  const orders = await protectedPostgres('orders', {
    budget: 5,
    accounts: [{ name: account.user, password: account.password }],
    databases: ['orders'],
  });
  const sluice = await Sluice.start({
    databases: { orders },
    services: { checkout: { database: 'orders', max_connections: 5 } },
    plaintext: true,
  });
  const session = await postgresSession(sluice, 'checkout', account);
  const [held] = (await sluice.brain.sessions()).rows;
  assert.equal(held?.node, 'edge-1');
  assert.ok((await backendOf(session)) > 0);
  assert.equal((await sluice.brain.status()).channel.tls, false);
  await session.end();
});

test('a brain on loopback follows without a certificate, and is who it says it is', {
  timeout: 60_000,
}, async () => {
  const [etcd, orders] = await Promise.all([
    Etcd.start(),
    protectedPostgres('orders', {
      budget: 5,
      accounts: [{ name: account.user, password: account.password }],
      databases: ['orders'],
    }),
  ]);
  const store = `etcd:${etcd.urls}`;
  const sluice = await Sluice.start({
    databases: { orders },
    services: { checkout: { database: 'orders', max_connections: 5 } },
    plaintext: true,
    store,
  });
  const other = await Brain.start(sluice.file.path, { beside: sluice.brain, store, id: 'brain-2' });
  const edge = await Envoy.start({ node: 'edge-2', xds: other.xds });
  await edge.waitForListener('pg');
  await sluice.envoy.stopListening();
  const session = await postgresSession(sluice, 'checkout', account);
  const [held] = await waitUntil('it is held', async () => {
    const { rows } = await sluice.brain.sessions();
    return rows.length > 0 && rows;
  });
  assert.equal(held!.node, 'edge-2');
  const { followers } = (await sluice.brain.status()).leadership;
  assert.deepEqual(
    followers.map(({ brain, nodes }) => [brain, nodes]),
    [['brain-2', 1]],
  );
  await session.end();
});
