/** I6 for certificates: each name gets its own, and one moves without a drop. */
import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type pg from 'pg';
import type { Certificate } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { backendOf, postgresSession } from './sessions.js';

const account = { user: 'ann', password: 'correct horse', database: 'orders' };

let orders: Protected<Postgres>;
let sluice: Sluice;

before(async () => {
  orders = await protectedPostgres('orders', {
    budget: 5,
    accounts: [{ name: account.user, password: account.password }],
    databases: ['orders'],
  });
  sluice = await Sluice.start({
    databases: { orders },
    services: { checkout: { database: 'orders', max_connections: 3 } },
  });
});

after(stopEverything);

/** pg keeps its TLS socket to itself. */
function certificateOf(client: pg.Client): PeerCertificate {
  const { connection } = client as unknown as { readonly connection: { readonly stream: TLSSocket } };
  return connection.stream.getPeerCertificate();
}

async function serialNow(): Promise<string> {
  const session = await postgresSession(sluice, 'checkout', account);
  const { serialNumber } = certificateOf(session);
  await session.end();
  return serialNumber;
}

/** As a certificate tool does it: the new files take the places of the old ones, one after the other. */
function install(fresh: Certificate): void {
  const { chain, key } = sluice.file.spec.listeners.pg!.tls.certificate;
  for (const [from, to] of [
    [fresh.chain, chain],
    [fresh.key, key],
  ] as const) {
    writeFileSync(`${to}.new`, readFileSync(from), { mode: 0o600 });
    renameSync(`${to}.new`, to);
  }
}

test('a renewed certificate is served to new clients, sessions live on', { timeout: 30_000 }, async () => {
  const session = await postgresSession(sluice, 'checkout', account);
  const backend = await backendOf(session);
  const listeners = await sluice.envoy.stats('^listener_manager\\.');
  const old = certificateOf(session).serialNumber;

  install(await sluice.certificates.server('*.db.test'));
  const fresh = await waitUntil('new clients see the new certificate', async () => {
    const serial = await serialNow();
    return serial !== old && serial;
  });

  assert.notEqual(fresh, old);
  assert.equal(await backendOf(session), backend);
  assert.deepEqual(await sluice.envoy.stats('^listener_manager\\.'), listeners);
  await session.end();
});

test('a key that does not belong to its certificate is not served', { timeout: 30_000 }, async () => {
  const serial = await serialNow();
  const good = await sluice.certificates.server('*.db.test');
  const other = await sluice.certificates.server('*.db.test');
  install({ chain: good.chain, key: other.key });
  const problems = await waitUntil('the brain says what is wrong', async () => {
    const { spec } = await sluice.brain.status();
    return spec.problems.length > 0 && spec.problems;
  });
  assert.match(JSON.stringify(problems), /listeners\.pg\.tls\.certificate/);
  assert.equal(await serialNow(), serial);

  install(good);
  await waitUntil('new clients see the mended one', async () => (await serialNow()) !== serial);
});

test('a service brings a certificate for a name that its listener’s does not cover', {
  timeout: 30_000,
}, async () => {
  const hostname = 'boutique.example';
  const certificate = await sluice.certificates.server(hostname);
  await sluice.change((spec) => {
    spec.services!.boutique = sluice.service('boutique', {
      database: 'orders',
      max_connections: 1,
      hostname,
      certificate,
    });
  });
  const session = await postgresSession(sluice, 'boutique', account, { hostname });
  assert.equal(certificateOf(session).subjectaltname, `DNS:${hostname}`);
  await session.end();
});
