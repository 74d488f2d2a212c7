/** Clients that ask for Postgres' protocol 3.2, or for one that there is not, of servers that have it and of one that has not. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { stopEverything } from '../harness/ending.js';
import type { Postgres } from '../harness/postgres.js';
import type { Protected } from '../harness/protected-database.js';
import { RawClient } from '../harness/raw-client.js';
import { hostnameOf, Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { interruptedPsql } from './interrupted-psql.js';
import { olderAndNewer } from './older-and-newer.js';

const password = 'correct horse';
const libpq = path.resolve(import.meta.dirname, '../../build/libpq');

const asksForSleeping = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";

let servers: Readonly<Record<string, Protected<Postgres>>>;
let sluice: Sluice;

before(async () => {
  const options = { budget: 4, accounts: [{ name: 'ann', password }], databases: ['orders'] };
  const databases = await olderAndNewer(options);
  servers = databases;
  sluice = await Sluice.start({
    databases,
    services: {
      older: { database: 'older', max_connections: 4 },
      newer: { database: 'newer', max_connections: 4 },
    },
  });
});

after(stopEverything);

for (const service of ['older', 'newer'])
  test(`psql asks for 3.2, and stops its statement: ${service}`, { timeout: 30_000 }, async () => {
    const env = {
      ...sluice.clientEnvironment,
      ...{ LD_LIBRARY_PATH: libpq, PGMINPROTOCOLVERSION: '3.0', PGMAXPROTOCOLVERSION: '3.2' },
      ...{ PGHOST: hostnameOf(service), PGPORT: String(sluice.ports.pg), PGUSER: 'ann' },
      ...{ PGPASSWORD: password, PGDATABASE: 'orders', PGSSLMODE: 'verify-full' },
      ...{ PGSSLROOTCERT: sluice.certificates.ca },
    };
    const { server } = servers[service]!;
    const said = await interruptedPsql(env, (assertRunning) =>
      waitUntil('psql waits for its statement', async () => {
        assertRunning();
        return (await server.query(asksForSleeping)).length === 1;
      }),
    );
    assert.match(said, /canceling statement due to user request/);
  });

for (const service of ['older', 'newer'])
  test(`a client asks for a version and an option that there are not, and reads so: ${service}`, {
    timeout: 30_000,
  }, async () => {
    const client = await RawClient.connect({ host: sluice.host, port: sluice.ports.pg });
    await client.send(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
    assert.equal(String(await client.until(1)), 'S');
    await client.startTls({ servername: hostnameOf(service), ca: sluice.certificates.caText });
    const body = Buffer.from('user\0ann\0database\0orders\0_pq_.nobody_knows\0\0\0');
    const head = Buffer.alloc(8);
    head.writeUInt32BE(head.length + body.length, 0);
    // 3.9999
    head.writeUInt32BE(0x0003_270f, 4);
    await client.send(Buffer.concat([head, body]));
    const told = await client.until(40);
    assert.equal(told.toString('latin1', 0, 1), 'v');
    assert.ok(told.includes('_pq_.nobody_knows'), told.toString('latin1'));
    client.end();
  });
