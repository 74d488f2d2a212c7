import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EnvoyApi } from '../envoy-api/envoy-api.js';
import { readCheck } from './check-request.js';
import { writeOk } from './check-response.js';

const type = (name: string) => EnvoyApi.load().root.lookupType(`envoy.service.auth.v3.${name}`);
const encode = (attributes: object): Uint8Array => {
  const request = type('CheckRequest');
  return request.encode(request.fromObject({ attributes })).finish();
};

const connection = '0123456789abcdef0123456789abcdef';
const facts = {
  connection: { stringValue: connection },
  listener: { stringValue: 'pg' },
  protocol: { stringValue: 'postgres' },
  user: { stringValue: 'ann' },
  database: { stringValue: 'orders' },
  born_unix_ms: { numberValue: 1_700_000_000_000 },
  age_ms: { numberValue: 3 },
  monotonic_ms: { numberValue: 77_000 },
};
const attributes = (fields: object = facts): object => ({
  source: {
    address: { socket_address: { address: '10.1.2.3', port_value: 4711 } },
    principal: 'CN=ann',
    certificate: 'pem',
  },
  destination: { address: { socket_address: { address: '10.9.9.9', port_value: 5432 } } },
  tls_session: { sni: 'checkout.example.com' },
  metadata_context: { filter_metadata: { other: { fields: facts }, sluice: { fields } } },
});

test('a check is read as Envoy sends it', () => {
  assert.deepEqual(readCheck(encode(attributes())), {
    connection,
    listener: 'pg',
    user: 'ann',
    database: 'orders',
    bornUnixMs: 1_700_000_000_000,
    ageMs: 3,
    monotonicMs: 77_000,
    tls: true,
    serverName: 'checkout.example.com',
    address: '10.1.2.3',
    certificate: 'pem',
  });
});

test('a client without TLS, and one that sends no server name, are told apart', () => {
  const { tls_session: _, ...plain } = attributes() as { tls_session: object };
  assert.equal(readCheck(encode(plain))?.tls, false);
  const nameless = readCheck(encode({ ...plain, tls_session: {} }));
  assert.equal(nameless?.tls, true);
  assert.equal(nameless?.serverName, undefined);
});

test('a check with a clock or a name that no node has is malformed', () => {
  const clock = (value: number): object => attributes({ ...facts, age_ms: { numberValue: value } });
  assert.ok(readCheck(encode(clock(600_000))));
  for (const value of [1e300, Number.POSITIVE_INFINITY, Number.NaN, -1])
    assert.equal(readCheck(encode(clock(value))), undefined, String(value));
  const named = (chars: number): object => ({ ...attributes(), tls_session: { sni: 'n'.repeat(chars) } });
  assert.ok(readCheck(encode(named(255))));
  assert.equal(readCheck(encode(named(256))), undefined);
});

test('a request to cancel is of a process id of four bytes, as the protocol has it', () => {
  const cancel = (pid: string): object =>
    attributes({ ...facts, cancel_pid: { stringValue: pid }, cancel_key: { stringValue: '01020304' } });
  const secret = Buffer.from('01020304', 'hex');
  assert.deepEqual(readCheck(encode(cancel('4294967295')))?.cancel, { pid: 4_294_967_295, secret });
  for (const pid of ['4294967296', '9999999999', '-1', '1e3'])
    assert.equal(readCheck(encode(cancel(pid)))?.cancel, undefined, pid);
});

test('a check without what the filters always send is malformed', () => {
  for (const missing of ['connection', 'listener', 'born_unix_ms', 'age_ms', 'monotonic_ms']) {
    const { [missing]: _, ...rest } = facts as Record<string, object>;
    assert.equal(readCheck(encode(attributes(rest))), undefined, missing);
  }
  for (const wrong of [
    { connection: { stringValue: 'short' } },
    { connection: { numberValue: 1 } },
    { age_ms: { numberValue: Number.NaN } },
    { monotonic_ms: { numberValue: -1 } },
    { listener: { structValue: { fields: {} } } },
  ])
    assert.equal(readCheck(encode(attributes({ ...facts, ...wrong }))), undefined, JSON.stringify(wrong));
});

test('bytes that are no check are refused, or read as one that is malformed, and never loop', () => {
  const whole = encode(attributes());
  const read = (bytes: Uint8Array): void => {
    try {
      readCheck(bytes);
    } catch (error) {
      assert.ok(error instanceof Error);
    }
  };
  for (let length = 0; length < whole.length; length++) read(whole.subarray(0, length));
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
      const bytes = Uint8Array.from(whole);
      bytes[at] = value;
      read(bytes);
    }),
    { numRuns: 2_000 },
  );
});

test('a verdict is written as Envoy reads it', () => {
  const response = type('CheckResponse');
  const read = response.toObject(
    response.decode(writeOk({ verdict: 'grant', connection, expires_monotonic_ms: 1_234.5, late: true })),
  );
  assert.deepEqual(read, {
    status: {},
    ok_response: {},
    dynamic_metadata: {
      fields: {
        verdict: { stringValue: 'grant' },
        connection: { stringValue: connection },
        expires_monotonic_ms: { numberValue: 1_234.5 },
        late: { boolValue: true },
      },
    },
  });
});
