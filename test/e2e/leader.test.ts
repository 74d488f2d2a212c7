/** A brain that leads by grace of etcd: what its clients and its operator see when etcd is lost, and when it stood still itself. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Brain } from '../harness/brain.js';
import { stopEverything } from '../harness/ending.js';
import { Envoy } from '../harness/envoy.js';
import { Etcd } from '../harness/etcd.js';
import type { Postgres } from '../harness/postgres.js';
import { observerPassword, type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { backendOf, fateOf, postgresSession } from './sessions.js';

const password = 'correct horse';
/** Of the environment; a brain that has none there finds no good spec. */
const observersPassword = 'LEADER_TEST_OBSERVER';
const ann = { user: 'ann', password, database: 'orders' };

let etcd: Etcd;
let orders: Protected<Postgres>;
let sluice: Sluice;

before(async () => {
  [etcd, orders] = await Promise.all([
    Etcd.start(),
    protectedPostgres('orders', { budget: 5, accounts: [{ name: 'ann', password }], databases: ['orders'] }),
  ]);
  process.env[observersPassword] = observerPassword;
  const input = { ...orders.input };
  input.observer = { ...input.observer, password: { env: observersPassword } };
  sluice = await Sluice.start({
    databases: { orders: { ...orders, input } },
    services: {
      checkout: { database: 'orders', max_connections: 3, timeout_ms: 60_000 },
      hasty: { database: 'orders', max_connections: 3, timeout_ms: 1_000 },
    },
    store: `etcd:${etcd.urls}`,
  });
});

after(stopEverything);

const leadership = async () => (await sluice.brain.status()).leadership;
const metric = async (name: string): Promise<number> =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await sluice.brain.metrics())?.[1]);
const readiness = async (): Promise<{ readonly status: number; readonly text: string }> => {
  const { host, port } = sluice.brain.admin;
  const response = await fetch(`http://${host}:${port}/readyz`);
  return { status: response.status, text: await response.text() };
};

test('without etcd the leader goes on to the end of its term, then nobody gets in, and everything says so; with etcd back it goes on at once', {
  timeout: 120_000,
}, async () => {
  const holder = await postgresSession(sluice, 'checkout', ann);
  const backend = await backendOf(holder);
  const { role, brain, term } = await leadership();
  assert.deepEqual([role, brain], ['leader', 'brain-1']);
  assert.equal(await metric('sluice_leader'), 1);

  await etcd.member.kill();
  await waitUntil('the term is over', async () => (await leadership()).remaining_ms === 0);
  const waiting = fateOf(async () => (await postgresSession(sluice, 'checkout', ann)).end());
  await sluice.brain.waitForWaiters('checkout', 1);
  await assert.rejects(postgresSession(sluice, 'hasty', ann), {
    code: '57P03',
    message: /there is no leader; waited 1\d\d\d ms \(timeout_ms 1000\)/,
  });
  assert.equal(await backendOf(holder), backend);
  assert.equal(await orders.server.count('ann'), 1);
  const ready = await readiness();
  assert.equal(ready.status, 503);
  assert.match(ready.text, /the term of this brain is over and etcd has not renewed it: /);
  assert.ok((await leadership()).etcd);
  assert.deepEqual([await metric('sluice_leader'), await metric('sluice_etcd_up')], [0, 0]);
  assert.match(sluice.brain.log, /etcd does not answer/);
  assert.match(sluice.brain.log, /the term of this brain is over/);

  await etcd.member.start();
  const back = performance.now();
  assert.deepEqual(await waiting, { served: true });
  assert.ok(performance.now() - back < 3_000, `served ${performance.now() - back} ms after etcd was back`);
  const again = await leadership();
  assert.deepEqual([again.role, again.term, again.etcd], ['leader', term, null]);
  assert.equal((await readiness()).status, 200);
  await holder.end();
});

test('a leader that stood still for longer than its lease grants nothing when it goes on, until it leads by a new term', {
  timeout: 120_000,
}, async () => {
  const { term } = await leadership();
  const holder = await postgresSession(sluice, 'checkout', ann);
  sluice.brain.signal('SIGSTOP');
  const coming = fateOf(async () => (await postgresSession(sluice, 'checkout', ann)).end());
  await untilNobodyLeads();
  sluice.brain.signal('SIGCONT');
  const goesOn = performance.now();
  assert.deepEqual(await coming, { served: true });
  assert.ok(performance.now() - goesOn < 5_000, `served ${performance.now() - goesOn} ms after it went on`);
  assert.ok((await leadership()).term! > term!);
  assert.equal(await orders.server.count('ann'), 1);
  await holder.end();
});

/** Until the lease of the leader has run out. */
async function untilNobodyLeads(): Promise<void> {
  await waitUntil('the key is gone', async () => {
    const response = await fetch(`${etcd.member.url}/v3/kv/range`, {
      method: 'POST',
      body: JSON.stringify({ key: Buffer.from('/sluice/leader').toString('base64') }),
    });
    const { kvs } = (await response.json()) as { kvs?: unknown[] };
    return kvs === undefined;
  });
}

test('a brain that is killed leads again after its restart, and who waited gets in', {
  timeout: 120_000,
}, async () => {
  const holder = await postgresSession(sluice, 'checkout', ann);
  await sluice.brain.kill();
  const coming = fateOf(async () => (await postgresSession(sluice, 'checkout', ann)).end());
  await sluice.brain.startAgain();
  const back = performance.now();
  assert.deepEqual(await coming, { served: true });
  assert.ok(performance.now() - back < 6_000, `served ${performance.now() - back} ms after its start`);
  await holder.end();
});

test('a brain that is stopped gives its lease back, so that it leads again as soon as it is started', {
  timeout: 120_000,
}, async () => {
  await (await postgresSession(sluice, 'checkout', ann)).end();
  await sluice.brain.stop();
  await sluice.brain.startAgain();
  const back = performance.now();
  await waitUntil('it leads', async () => (await leadership()).role === 'leader');
  assert.ok(performance.now() - back < 1_500, `${performance.now() - back} ms`);
  await sluice.brain.waitUntilReady();
  await (await postgresSession(sluice, 'checkout', ann)).end();
});

test('a brain without a good spec leaves nodes and leading to one that has one', {
  timeout: 120_000,
}, async () => {
  const second = await Brain.start(sluice.file.path, {
    ...{ beside: sluice.brain, id: 'brain-2', store: `etcd:${etcd.urls}`, env: { [observersPassword]: '' } },
  });
  await waitUntil('it follows', async () => (await second.status()).leadership.role === 'follower');
  assert.equal((await second.status()).spec.version, null);
  await sluice.envoy.stopListening();
  const edge = await Envoy.start({
    ...{ node: 'edge-2', xds: [second.xds, sluice.brain.xds], channel: sluice.brain.channel },
  });
  await edge.waitForListener('pg');
  await (await postgresSession(sluice, 'hasty', ann)).end();

  await sluice.brain.kill();
  const coming = fateOf(async () => (await postgresSession(sluice, 'checkout', ann)).end());
  await untilNobodyLeads();
  await waitUntil('it knows', async () => (await second.status()).leadership.role === 'none');
  await sluice.brain.startAgain();
  assert.deepEqual(await coming, { served: true });
  assert.doesNotMatch(second.log, /this brain leads/);
  await Promise.all([second.stop(), edge.stop()]);
});
