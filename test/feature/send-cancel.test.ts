/** A cancel on its way from the brain to a real Postgres: by TLS where the spec says so, and then in no other way. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import pg from 'pg';
import type { Server } from '../../xds-server/pure/cancel/server-of.js';
import type { LinkTls } from '../../xds-server/shells/databases/link.js';
import { sendCancel } from '../../xds-server/shells/databases/send-cancel.js';
import { Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import { ownAddress } from '../harness/own-address.js';
import { Postgres } from '../harness/postgres.js';
import { waitUntil } from '../harness/wait-until.js';

let withTls: Postgres;
let without: Postgres;
let ca: Buffer;
let strangersCa: Buffer;

before(async () => {
  const [own, stranger] = await Promise.all([Certificates.create(), Certificates.create()]);
  ca = readFileSync(own.ca);
  strangersCa = readFileSync(stranger.ca);
  const options = { accounts: [{ name: 'ann', password: 'correct horse' }] };
  const certificate = await own.server(ownAddress, 'orders.internal');
  [withTls, without] = await Promise.all([
    Postgres.start({ ...options, name: 'with-tls', version: '18', certificate }),
    Postgres.start({ ...options, name: 'without' }),
  ]);
});

after(stopEverything);

/** @returns whether the server took it, and whether the statement was stopped */
async function cancelled(
  postgres: Postgres,
  tls: LinkTls | undefined,
): Promise<{ readonly taken: boolean; readonly stopped: boolean }> {
  const { host, port } = postgres;
  const client = new pg.Client({ host, port, user: 'ann', password: 'correct horse', database: 'postgres' });
  client.on('error', () => {});
  await client.connect();
  const end = client.query('SELECT pg_sleep(60)').then(
    () => 'slept',
    (error: { code?: string }) => error.code,
  );
  const active = async (): Promise<boolean> => {
    const rows = await postgres.query(
      "SELECT 1 FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep' AND state = 'active'",
    );
    return rows.length > 0;
  };
  await waitUntil('the statement runs', active);
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const secret = Buffer.alloc(4);
  secret.writeInt32BE(secretKey);
  const endpoint = { host, port };
  const server = { target: { endpoints: [endpoint] }, endpoint, host, port } as unknown as Server;
  const taken = await sendCancel(server, processID, secret, { tls });
  if (taken) assert.equal(await end, '57014');
  // The client reads of it a moment before the server shows it.
  const stopped = taken
    ? await waitUntil('the statement is over', async () => !(await active()))
    : !(await active());
  await postgres.query('SELECT pg_terminate_backend($1)', [processID]);
  await end;
  await client.end().catch(() => {});
  return { taken, stopped };
}

const yes = { taken: true, stopped: true };
const no = { taken: false, stopped: false };

test('a server that wants no TLS is asked in plaintext', async () => {
  assert.deepEqual(await cancelled(without, undefined), yes);
});

for (const negotiation of ['request', 'direct'] as const) {
  test(`TLS by ${negotiation}: verified by address, by name, or not at all`, async () => {
    assert.deepEqual(await cancelled(withTls, { negotiation, ca }), yes);
    assert.deepEqual(await cancelled(withTls, { negotiation, ca, serverName: 'orders.internal' }), yes);
    assert.deepEqual(await cancelled(withTls, { negotiation }), yes);
  });

  test(`TLS by ${negotiation}: another authority, another name or no TLS at all, and nothing is sent`, async () => {
    assert.deepEqual(await cancelled(withTls, { negotiation, ca: strangersCa }), no);
    assert.deepEqual(await cancelled(withTls, { negotiation, ca, serverName: 'other.internal' }), no);
    assert.deepEqual(await cancelled(without, { negotiation }), no);
  });
}
