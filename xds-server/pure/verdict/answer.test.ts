import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grantMetadata, killMetadata, refusalMetadata } from './answer.js';
import { refusals } from './refusals.js';

const connection = '0123456789abcdef0123456789abcdef';

test('a grant names its connection, its cluster and the end of its time', () => {
  assert.deepEqual(grantMetadata({ connection, cluster: 'service/checkout', expiresMonotonicMs: 12_345 }), {
    verdict: 'grant',
    connection,
    cluster: 'service/checkout',
    expires_monotonic_ms: 12_345,
  });
});

test('a grant carries the limits that its session is held to, and none that it is not', () => {
  const grant = { connection, cluster: 'service/checkout', expiresMonotonicMs: 12_345 };
  const limits = { idleSessionMs: 1_000, maxAgeMs: 60_000, surplusMs: 5_000 };
  assert.deepEqual(grantMetadata(grant, limits), {
    ...grantMetadata(grant),
    idle_session_ms: 1_000,
    max_age_ms: 60_000,
    surplus_ms: 5_000,
  });
});

test('a refusal carries its codes and texts, and no field that it does not have', () => {
  assert.deepEqual(refusalMetadata(connection, refusals.not_allowed()), {
    verdict: 'refuse',
    connection,
    sqlstate: '28000',
    errno: 1045,
    message: 'this client may not use this service',
    hint: 'Client certificate, address, user and database must together match an "allow" rule of the service.',
  });
  assert.deepEqual(refusalMetadata(connection, refusals.service_removed({ service: 'checkout' })), {
    verdict: 'refuse',
    connection,
    sqlstate: '57P03',
    errno: 1053,
    message: 'service "checkout" has been removed',
  });
});

test('leave for KILL alone is a verdict of its own, with what is said to everything else and an end', () => {
  const instead = refusals.service_limit({ limit: 'service', name: 'checkout', used: 3, max: 3 });
  const grant = {
    connection,
    cluster: 'service/checkout',
    expiresMonotonicMs: 12_345,
    upstreamTls: 'request',
  } as const;
  assert.deepEqual(killMetadata(grant, instead), {
    verdict: 'kill',
    connection,
    cluster: 'service/checkout',
    expires_monotonic_ms: 12_345,
    upstream_tls: 'request',
    life_ms: 10_000,
    sqlstate: '53300',
    errno: 1040,
    message: instead.message,
    hint: instead.hint,
  });
});
