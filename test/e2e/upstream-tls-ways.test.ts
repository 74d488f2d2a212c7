/** TLS to databases of several servers, and behind a proxy that wants a PROXY header first, as the servers see it. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import { HaProxy } from '../harness/haproxy.js';
import { ownAddress, secondOwnAddress } from '../harness/own-address.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { postgresSession } from './sessions.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };
const budget = 8;

let authority: Certificates;
/** Replicas: each at an address of its own, with a certificate for that one alone. */
let first: Protected<Postgres>;
let second: Protected<Postgres>;
/** Demands a PROXY header, and passes everything behind it on. */
let guard: HaProxy;
let sluice: Sluice;

before(async () => {
  authority = await Certificates.create();
  const options = { budget, accounts: [{ name: 'ann', password }], databases: ['orders'] };
  const [own, other] = await Promise.all([authority.server(ownAddress), authority.server(secondOwnAddress)]);
  const [primary, behind] = await Promise.all([
    protectedPostgres('primary', { ...options, certificate: own }),
    protectedPostgres('behind', { ...options, certificate: own, version: '18' }),
  ]);
  [first, second] = await Promise.all([
    protectedPostgres('first', { ...options, certificate: own }),
    protectedPostgres('second', {
      ...{ ...options, certificate: other },
      settings: { listen_addresses: secondOwnAddress },
    }),
  ]);
  guard = await HaProxy.start({ name: 'guard', to: behind.server, demands: true });
  const tls = { mode: 'verify-full', ca: authority.ca } as const;
  const at = (host: string, { server: { port } }: Protected<Postgres>, role: 'primary' | 'replica') => ({
    ...{ host, port, role },
  });
  sluice = await Sluice.start({
    databases: {
      orders: {
        ...primary,
        input: {
          ...primary.input,
          tls,
          endpoints: [
            at(ownAddress, primary, 'primary'),
            at(ownAddress, first, 'replica'),
            at(secondOwnAddress, second, 'replica'),
          ],
        },
      },
      behind: {
        ...behind,
        input: {
          ...behind.input,
          ...{ tls: { ...tls, negotiation: 'direct' }, proxy_protocol: 'v2' },
          endpoints: [{ host: guard.host, port: guard.port }],
        },
      },
    },
    services: {
      reports: { database: 'orders', db_role: 'replica', max_connections: budget },
      checkout: { database: 'behind', max_connections: budget },
    },
  });
});

after(stopEverything);

interface Seen {
  readonly address: string;
  readonly ssl: boolean;
}

const seenSql =
  'SELECT host(inet_server_addr()) AS address, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';

/** What several sessions at once see of their servers, or the code by which they were refused. */
function visits(service: string): Promise<(Seen | string)[]> {
  return Promise.all(
    Array.from({ length: budget }, async () => {
      try {
        const session = await postgresSession(sluice, service, ann);
        const { rows } = await session.query<Seen>(seenSql);
        await session.end();
        return rows[0]!;
      } catch (error) {
        return String((error as { code?: unknown }).code);
      }
    }),
  );
}

describe('replicas with names of their own', () => {
  test('each is held against its own', { timeout: 30_000 }, async () => {
    const seen = await visits('reports');
    for (const address of [ownAddress, secondOwnAddress])
      assert.ok(
        seen.some((one) => typeof one !== 'string' && one.address === address),
        `${address}: ${JSON.stringify(seen)}`,
      );
    for (const one of seen) assert.ok(typeof one !== 'string' && one.ssl, JSON.stringify(one));
  });

  test('one with the certificate of another is refused, and the other serves on', {
    timeout: 30_000,
  }, async () => {
    await sluice.brain.waitForTaken('reports', 0);
    await second.server.useCertificate(await authority.server(ownAddress));
    const seen = await waitUntil('the server shows the other certificate', async () => {
      const seen = await visits('reports');
      return seen.includes('08006') && seen;
    });
    const served = seen.filter((one) => typeof one !== 'string');
    assert.ok(served.length > 0);
    for (const { address } of served) assert.equal(address, ownAddress);
  });
});

describe('a proxy that wants a PROXY header', () => {
  for (const version of ['v1', 'v2'] as const)
    test(`reads ${version} before direct TLS, and the server behind it has TLS`, {
      timeout: 30_000,
    }, async () => {
      await sluice.change((spec) => {
        spec.databases.behind!.proxy_protocol = version;
      });
      const socket = new net.Socket();
      const session = await postgresSession(sluice, 'checkout', ann, { stream: socket });
      const client = `${socket.localAddress}:${socket.localPort}`;
      const { rows } = await session.query<Seen>(seenSql);
      assert.equal(rows[0]!.ssl, true);
      await session.end();
      await waitUntil('the proxy has logged the client', () => guard.clients.includes(client));
    });
});
