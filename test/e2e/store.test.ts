/** I7 for a spec in etcd: what is applied is on Envoy; what is not taken, and an etcd that is lost, change nothing. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { EtcdClient } from '../../xds-server/shells/etcd/etcd-client.js';
import { put } from '../../xds-server/shells/etcd/messages.js';
import { atEnd, stopEverything } from '../harness/ending.js';
import { Etcd } from '../harness/etcd.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { scratchFolder } from '../harness/scratch.js';
import { Sluice } from '../harness/sluice.js';
import { sluiceCommand } from '../harness/sluice-command.js';
import { waitUntil } from '../harness/wait-until.js';
import { backendOf, postgresSession } from './sessions.js';

const account = { user: 'ann', password: 'correct horse', database: 'orders' };

let orders: Protected<Postgres>;
let etcd: Etcd;
let store: string;
let sluice: Sluice;

before(async () => {
  [orders, etcd] = await Promise.all([
    protectedPostgres('orders', {
      budget: 30,
      accounts: [{ name: account.user, password: account.password }],
      databases: ['orders'],
    }),
    Etcd.start(),
  ]);
  store = `etcd:${etcd.urls}`;
  sluice = await Sluice.start({
    databases: { orders },
    services: { checkout: { database: 'orders', max_connections: 5, timeout_ms: 60_000 } },
    store,
  });
});

after(stopEverything);

const apply = (limit: number, to = store) => {
  sluice.file.spec.services!.checkout!.max_connections = limit;
  sluice.file.save();
  return sluiceCommand('apply', sluice.file.path, '--store', to, '--json');
};

async function untilLimited(to: number): Promise<void> {
  await waitUntil(`Envoy has ${to}`, async () => (await sluice.envoy.limitOf('checkout')) === String(to));
}

test('what is applied is on Envoy, and its revision is in the status', async () => {
  const { code, stdout } = await apply(7);
  assert.equal(code, 0, stdout);
  await untilLimited(7);
  const { spec } = await sluice.brain.status();
  const { revision } = JSON.parse(stdout);
  assert.deepEqual([spec.revision, spec.store?.revision, spec.source], [revision, revision, store]);
});

test('a revision that can not be taken changes nothing and is told with its number', async () => {
  const before = await sluice.brain.status();
  const admin = new EtcdClient({ endpoints: etcd.endpoints });
  await atEnd(async () => admin.close());
  const done = await admin.txn({ success: [put('/sluice/spec', Buffer.from('listeners: ['))] }, 5000);
  const revision = Number(done.header?.revision);
  const { spec } = await waitUntil('it is told', async () => {
    const status = await sluice.brain.status();
    return status.spec.problems.length > 0 && status;
  });
  assert.deepEqual([spec.store?.revision, spec.revision], [revision, before.spec.revision]);
  assert.equal(spec.version, before.spec.version);
  assert.match((await sluiceCommand('status', '--admin', addressOf(sluice))).stdout, /is not taken/);
  const mended = await apply(8);
  assert.equal(mended.code, 0, mended.stdout + mended.stderr);
  await untilLimited(8);
  assert.deepEqual((await sluice.brain.status()).spec.problems, []);
});

test('etcd is lost: sessions live on, new clients wait for it, it is said; then changes arrive again', {
  timeout: 90_000,
}, async () => {
  const client = await postgresSession(sluice, 'checkout', account);
  const backend = await backendOf(client);
  await etcd.member.kill();
  const lost = await waitUntil('the loss is in the status', async () => {
    const { spec } = await sluice.brain.status();
    return spec.store?.problem ? spec : undefined;
  });
  assert.ok(lost.store?.problem_since);
  assert.match(await sluice.brain.metrics(), /^sluice_store_up 0$/m);
  assert.match(
    (await sluiceCommand('status', '--admin', addressOf(sluice))).stdout,
    /The store can not be followed/,
  );
  assert.match(sluice.brain.log, /the store of specs is lost; what is in force stays/);
  assert.equal(await backendOf(client), backend);
  const another = postgresSession(sluice, 'checkout', account);
  await etcd.member.start();
  await (await another).end();
  await waitUntil('it is back', async () => (await sluice.brain.status()).spec.store?.problem === null);
  assert.match(await sluice.brain.metrics(), /^sluice_store_up 1$/m);
  assert.equal((await apply(9)).code, 0);
  await untilLimited(9);
  assert.equal(await backendOf(client), backend);
  await client.end();
});

test('a brain that starts without etcd serves when it is there, with what was accepted before', {
  timeout: 90_000,
}, async () => {
  await etcd.member.kill();
  await sluice.brain.kill();
  await sluice.brain.startAgain();
  const { spec } = await waitUntil('it says what it lacks', async () => {
    const status = await sluice.brain.status();
    return status.spec.store?.problem ? status : undefined;
  });
  assert.equal(spec.version, null);
  await etcd.member.start();
  await sluice.brain.waitUntilReady();
  const client = await postgresSession(sluice, 'checkout', account);
  await client.query('SELECT 1');
  await client.end();
});

test('the same with a folder: applied, followed, kept over a restart', { timeout: 90_000 }, async () => {
  const folder = `dir:${path.join(scratchFolder('store'), 'specs')}`;
  const other = await Sluice.start({
    databases: { orders },
    services: { checkout: { database: 'orders', max_connections: 5 } },
    store: folder,
  });
  other.file.spec.services!.checkout!.max_connections = 6;
  other.file.save();
  assert.equal((await sluiceCommand('apply', other.file.path, '--store', folder)).code, 0);
  await waitUntil('Envoy has 6', async () => (await other.envoy.limitOf('checkout')) === '6');
  await other.brain.kill();
  await other.brain.startAgain();
  await other.brain.waitUntilReady();
  const { spec, services } = await other.brain.status();
  assert.deepEqual([spec.revision, services[0]?.max_connections], [2, 6]);
});

const addressOf = ({ brain }: Sluice): string => `${brain.admin.host}:${brain.admin.port}`;
