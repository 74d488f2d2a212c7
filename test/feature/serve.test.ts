import assert from 'node:assert/strict';
import path from 'node:path';
import { after, test } from 'node:test';
import { Brain } from '../harness/brain.js';
import { Certificates } from '../harness/certificates.js';
import { Child } from '../harness/child.js';
import { stopEverything } from '../harness/ending.js';
import { sluiceProgram } from '../harness/program.js';
import { scratchFolder } from '../harness/scratch.js';
import { SpecFile, type SpecInput } from '../harness/spec-file.js';
import { waitUntil } from '../harness/wait-until.js';

after(stopEverything);

async function sluice(...args: readonly string[]): Promise<Child> {
  return Child.start({
    title: `sluice ${args.join(' ')}`,
    command: process.execPath,
    args: [...sluiceProgram(), ...args],
    logFile: path.join(scratchFolder('sluice'), 'log'),
  });
}

/** Its database is not there: that is no reason not to serve. */
async function spec(): Promise<SpecInput> {
  process.env.SLUICE_TEST_PASSWORD = 'w';
  return {
    listeners: {
      pg: {
        protocol: 'postgres',
        address: '127.0.0.1:5432',
        tls: { certificate: await (await Certificates.create()).server('*.db.test') },
      },
    },
    databases: {
      orders: {
        engine: 'postgres',
        endpoints: [{ host: '127.0.0.1', port: 1 }],
        capacity: 10,
        reserve: 2,
        observer: { user: 'watcher', password: { env: 'SLUICE_TEST_PASSWORD' } },
      },
    },
    tenants: { shop: {} },
    services: {
      checkout: {
        hostname: 'checkout.db.test',
        tenant: 'shop',
        database: 'orders',
        max_connections: 5,
        allow: [{ cidr: '10.0.0.0/8' }],
      },
    },
  };
}

test('a brain that is told to stop ends by itself within two seconds', async () => {
  const { path: file } = new SpecFile(await spec());
  const brain = await sluice(
    'serve',
    '--spec',
    file,
    '--xds',
    '127.0.0.1:0',
    '--admin',
    '127.0.0.1:0',
    '--xds-plaintext',
  );
  await waitUntil('the brain serves', () => brain.log.includes('the brain serves'));
  const toldMs = performance.now();
  assert.deepEqual(await brain.stop(), { code: 0, signal: null });
  assert.ok(performance.now() - toldMs < 2_000, `${performance.now() - toldMs} ms`);
});

test('a brain says what is not there yet, and why', async () => {
  const brain = await Brain.start(new SpecFile(await spec()).path);
  const observer = await waitUntil('the observer has failed', async () => {
    const [target] = (await brain.status()).targets;
    return target?.observer?.state === 'failing' && target.observer;
  });
  assert.match(observer.problem ?? '', /ECONNREFUSED/);
  const response = await fetch(`http://${brain.admin.host}:${brain.admin.port}/readyz`);
  assert.equal(response.status, 503);
  assert.match(await response.text(), /orders\/primary/);
});

test('a brain whose spec has problems serves, says them all, and takes the spec when it is mended', async () => {
  const good = await spec();
  const file = new SpecFile({
    ...good,
    services: { checkout: { ...good.services!.checkout!, database: 'order' } },
  });
  const brain = await Brain.start(file.path);
  const before = await brain.status();
  assert.equal(before.spec.version, null);
  const expiry = /^sluice_certificate_expiry_seconds\{.*$/gm;
  assert.doesNotMatch(await brain.metrics(), expiry);
  assert.match(before.spec.problems[0]?.message ?? '', /services\.checkout\.database.*did you mean "orders"/);
  Object.assign(file.spec, good);
  file.save();
  const { spec: now } = await waitUntil('the spec is in force', async () => {
    const status = await brain.status();
    return status.spec.version !== null && status;
  });
  assert.deepEqual(now.problems, []);
  const [line = '', ...others] = (await brain.metrics()).match(expiry) ?? [];
  assert.match(line, /\{path="listeners\.pg\.tls\.certificate"\} 2\d{6}/, '30 days are 2592000 s');
  assert.deepEqual(others, []);
});

test('what shows in no snapshot changes the version of a spec, too', async () => {
  const file = new SpecFile(await spec());
  const brain = await Brain.start(file.path);
  const { version } = (await brain.status()).spec;
  file.spec.services!.checkout!.priority = 7;
  file.save();
  await waitUntil('another version', async () => (await brain.status()).spec.version !== version);
  assert.equal((await brain.status()).services[0]?.priority, 7);
});

test('nodes are served on loopback only, as long as nobody proves who he is', async () => {
  const child = await sluice(
    'serve',
    '--spec',
    new SpecFile(await spec()).path,
    '--xds',
    '0.0.0.0:0',
    '--xds-plaintext',
  );
  assert.deepEqual(await child.exited, { code: 1, signal: null });
  assert.match(child.log, /do not know each other.*expected 127\.0\.0\.1 or ::1, found 0\.0\.0\.0/);
});

test('an address that is taken is said to be', async () => {
  const file = new SpecFile(await spec());
  const brain = await Brain.start(file.path);
  const { host, port } = brain.xds;
  const child = await sluice(
    'serve',
    '--spec',
    file.path,
    '--xds',
    `${host}:${port}`,
    '--xds-plaintext',
    '--admin',
    `${host}:0`,
  );
  assert.deepEqual(await child.exited, { code: 1, signal: null });
  assert.match(child.log, new RegExp(`cannot serve nodes at ${host}:${port}`));
});
