/**
 * Certificates move while clients connect at full speed: the listener's, a service's own, and the CA of clients. Nobody
 * is refused for it but a client whose CA is gone, and no session ends.
 */
import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type pg from 'pg';
import { type Certificate, Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { backendOf, type Fate, fateOf, postgresSession } from './sessions.js';

const account = { user: 'ann', password: 'correct horse', database: 'shop' };
const principal = 'spiffe://shop/checkout';
const rounds = 3;

let orders: Protected<Postgres>;
let sluice: Sluice;
let later: Certificates;

before(async () => {
  orders = await protectedPostgres('orders', {
    budget: 12,
    accounts: [{ name: account.user, password: account.password }],
    databases: ['shop'],
  });
  sluice = await Sluice.start({
    databases: { orders },
    services: {
      checkout: { database: 'orders', max_connections: 8 },
      proven: { database: 'orders', max_connections: 4, allow: [{ principal }] },
    },
    clientCertificates: true,
  });
  later = await Certificates.create();
});

after(stopEverything);

function serialOf(client: pg.Client): string {
  const { connection } = client as unknown as { readonly connection: { readonly stream: TLSSocket } };
  return connection.stream.getPeerCertificate().serialNumber;
}

/** As a certificate tool does it: a file takes the place of the old one. */
function install(from: string | Buffer, to: string): void {
  writeFileSync(`${to}.new`, typeof from === 'string' ? readFileSync(from) : from, { mode: 0o600 });
  renameSync(`${to}.new`, to);
}

function installPair(fresh: Certificate, { chain, key }: Certificate): void {
  install(fresh.chain, chain);
  install(fresh.key, key);
}

interface Tour {
  /** Serial numbers in the order in which clients saw them. */
  readonly serials: readonly string[];
  readonly visits: number;
}

/** Clients come and go by this name while `work` runs; one that is not served, or sees nobody's certificate, fails. */
async function tourWhile(hostname: string, work: () => Promise<void>): Promise<Tour> {
  const serials: string[] = [];
  let visits = 0;
  let isOver = false;
  const worker = async () => {
    while (!isOver) {
      const session = await postgresSession(sluice, '', account, { hostname });
      const serial = serialOf(session);
      if (!serials.includes(serial)) serials.push(serial);
      visits += 1;
      await session.end();
    }
  };
  const workers = Promise.all(Array.from({ length: 4 }, worker));
  await Promise.race([workers, work()]);
  isOver = true;
  await workers;
  return { serials, visits };
}

/** Until new clients see another certificate than this. */
async function moved(hostname: string, from: string): Promise<string> {
  return waitUntil('new clients see the new certificate', async () => {
    const session = await postgresSession(sluice, '', account, { hostname });
    const serial = serialOf(session);
    await session.end();
    return serial !== from && serial;
  });
}

async function serialNow(hostname: string): Promise<string> {
  const session = await postgresSession(sluice, '', account, { hostname });
  const serial = serialOf(session);
  await session.end();
  return serial;
}

/** Renews it again and again under load; each one is seen, in order, and a session from before lives on. */
async function renewedUnderLoad(
  hostname: string,
  place: Certificate,
  issue: () => Promise<Certificate>,
): Promise<Tour> {
  const lasting = await postgresSession(sluice, '', account, { hostname });
  const backend = await backendOf(lasting);
  const listeners = await sluice.envoy.stats('^listener_manager\\.');
  const expected = [await serialNow(hostname)];
  const tour = await tourWhile(hostname, async () => {
    for (let round = 0; round < rounds; round += 1) {
      installPair(await issue(), place);
      expected.push(await moved(hostname, expected.at(-1)!));
    }
  });
  assert.deepEqual(tour.serials, expected);
  assert.equal(await backendOf(lasting), backend);
  assert.deepEqual(await sluice.envoy.stats('^listener_manager\\.'), listeners);
  await lasting.end();
  return tour;
}

test('the listener’s certificate', { timeout: 60_000 }, async (t) => {
  const { visits } = await renewedUnderLoad(
    'checkout.db.test',
    sluice.file.spec.listeners.pg!.tls.certificate,
    () => sluice.certificates.server('*.db.test'),
  );
  t.diagnostic(`${rounds} renewals, ${visits} connections, none refused`);
});

test('a service’s own, for a wildcard too', { timeout: 90_000 }, async (t) => {
  for (const hostname of ['boutique.example', '*.boutique.example']) {
    const name = hostname.startsWith('*') ? 'wide' : 'boutique';
    const issue = () => sluice.certificates.server(hostname);
    const certificate = await issue();
    await sluice.change((spec) => {
      spec.services![name] = sluice.service(name, {
        ...{ database: 'orders', max_connections: 8, hostname, certificate },
      });
    });
    const { visits } = await renewedUnderLoad(hostname.replace('*', 'any'), certificate, issue);
    t.diagnostic(`${hostname}: ${rounds} renewals, ${visits} connections, none refused`);
  }
});

test('the CA of clients: old and new together, then the new alone; who has the old one keeps his session only', {
  timeout: 90_000,
}, async (t) => {
  // The servers' CA, which the clients of the test trust, stays as it is.
  const ca = path.join(sluice.certificates.folder, 'clients-ca.pem');
  const oldCa = readFileSync(sluice.certificates.ca);
  install(oldCa, ca);
  await sluice.change((spec) => {
    spec.listeners.pg!.tls.client_ca = ca;
  });
  const newCa = readFileSync(later.ca);
  const ofOld = await sluice.certificates.client(principal);
  const ofNew = await later.client(principal);
  const attempt = (certificate: Certificate): Promise<Fate | 'no TLS'> =>
    fateOf(async () => (await postgresSession(sluice, 'proven', account, { certificate })).end()).catch(
      () => 'no TLS' as const,
    );
  const served = { served: true } as const;
  assert.deepEqual([await attempt(ofOld), await attempt(ofNew)], [served, 'no TLS']);
  const lasting = await postgresSession(sluice, 'proven', account, { certificate: ofOld });
  const backend = await backendOf(lasting);

  const tour = await tourWhile('checkout.db.test', async () => {
    install(Buffer.concat([oldCa, newCa]), ca);
    await waitUntil('clients of the new CA are served', async () => (await attempt(ofNew)) !== 'no TLS');
    assert.deepEqual([await attempt(ofOld), await attempt(ofNew)], [served, served]);
    install(newCa, ca);
    await waitUntil('clients of the old CA are not served', async () => (await attempt(ofOld)) === 'no TLS');
    assert.deepEqual(await attempt(ofNew), served);
  });
  assert.equal(await backendOf(lasting), backend);
  await lasting.end();
  t.diagnostic(`two changes, ${tour.visits} connections of others, none refused`);
});

test('afterwards no slot is taken', async () => {
  for (const service of ['checkout', 'proven', 'boutique', 'wide'])
    await sluice.brain.waitForTaken(service, 0);
});
