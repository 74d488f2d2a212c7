import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, test } from 'node:test';
import { Certificates } from '../harness/certificates.js';
import { AuthzServer, type CheckOptions, type Verdict } from './authz-server.js';

let server: AuthzServer;
afterEach(() => server?.stop());

async function verdictOn(options: CheckOptions): Promise<Verdict> {
  return await server.check(options).verdict;
}

test('a name that nobody has is refused and counted without it', async () => {
  server = await AuthzServer.start();
  const { verdict, sqlstate, errno, message } = await verdictOn({ sni: 'nobody.db.test' });
  assert.deepEqual({ verdict, sqlstate, errno }, { verdict: 'refuse', sqlstate: '08004', errno: 1130 });
  assert.match(String(message), /nobody\.db\.test/);
  assert.equal(server.answers[0]?.service, undefined);
  assert.equal(server.answers[0]?.reason, 'unknown_hostname');
});

test('a client without a name, and one without TLS, are told what is missing', async () => {
  server = await AuthzServer.start();
  await verdictOn({ sni: '' });
  await verdictOn({ tls: false });
  assert.deepEqual(
    server.answers.map(({ reason }) => reason),
    ['hostname_missing', 'tls_required'],
  );
});

test('a client from elsewhere is refused', async () => {
  server = await AuthzServer.start();
  assert.equal((await verdictOn({ address: '192.168.0.1' })).sqlstate, '28000');
  assert.equal(server.answers[0]?.reason, 'not_allowed');
});

test('a check that the filters would not send is refused and holds nothing', async () => {
  server = await AuthzServer.start();
  assert.match(String((await verdictOn({ metadata: {} })).message), /cannot be understood/);
  assert.deepEqual(server.used, { slots: 0, waiters: 0 });
});

test('a full queue is said to be full', async () => {
  server = await AuthzServer.start({ maxQueue: 0 });
  await verdictOn({});
  const { sqlstate, errno, message } = await verdictOn({});
  assert.deepEqual({ sqlstate, errno }, { sqlstate: '53300', errno: 1040 });
  assert.match(String(message), /service "checkout" has all 1 of its connections in use/);
});

test('a certificate proves a principal only where the listener verifies certificates', async () => {
  const certificates = await Certificates.create();
  const { chain } = await certificates.client('spiffe://shop/checkout');
  const certificate = encodeURIComponent(readFileSync(chain, 'utf8'));
  const allow = [{ principal: 'spiffe://shop/checkout' }];

  server = await AuthzServer.start({ allow, maxConnections: 9 });
  assert.equal((await verdictOn({ certificate })).verdict, 'refuse');
  server.stop();

  server = await AuthzServer.start({ allow, maxConnections: 9 }, { clientCa: 'ca' });
  assert.equal((await verdictOn({ certificate })).verdict, 'grant');
  assert.equal((await verdictOn({})).verdict, 'refuse');
  const other = await certificates.client('spiffe://shop/other');
  const others = encodeURIComponent(readFileSync(other.chain, 'utf8'));
  assert.equal((await verdictOn({ certificate: others })).verdict, 'refuse');
});
