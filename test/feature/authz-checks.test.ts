import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { defaultSettings } from '../../xds-server/pure/ledger/settings.js';
import { waitUntil } from '../harness/wait-until.js';
import { AuthzServer, target } from './authz-server.js';

const { grantTtlMs } = defaultSettings;

let server: AuthzServer;
afterEach(() => server?.stop());

const waiters = (count: number): Promise<boolean> =>
  waitUntil(`${count} clients wait`, () => server.used.waiters === count);

const ended = (connection: string): void =>
  server.apply({
    kind: 'end',
    connection,
    node: 'edge-1',
    service: 'checkout',
    upstream: {},
    evidence: 'server-closed',
  });

test('a client for whom there is a slot is granted his cluster until a time on his node’s clock', async () => {
  server = await AuthzServer.start();
  const { connection, verdict } = server.check({ monotonicMs: 5_000 });
  const grant = await verdict;
  assert.deepEqual(
    { ...grant, expires_monotonic_ms: 0 },
    { verdict: 'grant', connection, cluster: 'service/checkout', expires_monotonic_ms: 0 },
  );
  const leftMs = (grant.expires_monotonic_ms as number) - 5_000;
  assert.ok(leftMs >= grantTtlMs && leftMs < grantTtlMs + 500, `${leftMs} ms`);
  assert.deepEqual(
    server.answers.map(({ service, reason }) => ({ service, reason })),
    [{ service: 'checkout', reason: undefined }],
  );
});

test('a client of a full service has leave for KILL alone where there is a reserve, and counts as refused', async () => {
  const limits = { idleSessionMs: 5_000 };
  server = await AuthzServer.start({ maxConnections: 2, killReserve: 1, maxQueue: 0, limits });
  await server.check().verdict;
  const { connection, verdict } = server.check();
  const { expires_monotonic_ms: expires, hint, ...kill } = await verdict;
  assert.equal(typeof expires, 'number');
  assert.equal(typeof hint, 'string');
  assert.deepEqual(kill, {
    verdict: 'kill',
    connection,
    cluster: 'service/checkout',
    life_ms: 10_000,
    sqlstate: '53300',
    errno: 1040,
    message: 'service "checkout" has 1 of its 2 connections in use and keeps the rest for KILL',
  });
  assert.equal(server.answers[1]?.reason, 'service_limit');
  assert.equal(server.granted.length, 2, 'whose KILLs are asked about');
  assert.equal((await server.check().verdict).verdict, 'refuse');
});

test('a client for whom there is none is held until there is one', async () => {
  server = await AuthzServer.start();
  const first = server.check();
  await first.verdict;
  const second = server.check();
  await waiters(1);
  assert.equal(server.answers.length, 1);
  ended(first.connection);
  assert.equal((await second.verdict).verdict, 'grant');
  assert.equal(server.answers[1]!.waitedMs > 0, true);
});

test('a client who leaves while he is held waits no more, and the slot goes to the next', async () => {
  server = await AuthzServer.start();
  const first = server.check();
  await first.verdict;
  const leaver = server.check();
  await waiters(1);
  const next = server.check();
  await waiters(2);
  leaver.call.cancel();
  await waiters(1);
  ended(first.connection);
  assert.equal((await next.verdict).verdict, 'grant');
  assert.deepEqual(server.used, { slots: 1, waiters: 0 });
});

test('an answer that ends its call gives nothing back', async () => {
  server = await AuthzServer.start();
  await server.check().verdict;
  const second = server.check();
  await waiters(1);
  assert.equal(
    server.events.some(({ kind }) => kind === 'cancel'),
    false,
  );
  assert.deepEqual(server.used, { slots: 1, waiters: 1 });
  second.call.cancel();
  await waiters(0);
});

test('a check that is asked again takes the place of the first, whose death then concerns nobody', async () => {
  server = await AuthzServer.start();
  const holder = server.check();
  await holder.verdict;
  const { connection, verdict, call } = server.check();
  await waiters(1);
  const again = server.check({ connection, retriedAfterMs: 20 });
  await assert.rejects(verdict, { code: status.ABORTED });
  call.cancel();
  assert.deepEqual(server.used, { slots: 1, waiters: 1 });
  ended(holder.connection);
  assert.equal((await again.verdict).verdict, 'grant');
});

test('a check that lay in a socket while its node has asked again takes nobody’s place', async () => {
  server = await AuthzServer.start();
  const holder = server.check();
  await holder.verdict;
  const monotonicMs = server.now() - 1_000;
  const again = server.check({ monotonicMs, retriedAfterMs: 20 });
  await waiters(1);
  const { connection } = again;
  await assert.rejects(server.check({ connection, monotonicMs }).verdict, { code: status.ABORTED });
  ended(holder.connection);
  assert.equal((await again.verdict).verdict, 'grant');
});

test('a check that is asked again after its grant was lost is granted the same slot', async () => {
  server = await AuthzServer.start();
  const { connection, verdict } = server.check();
  await verdict;
  assert.equal((await server.check({ connection, retriedAfterMs: 20 }).verdict).verdict, 'grant');
  assert.deepEqual(server.used, { slots: 1, waiters: 0 });
});

test('a client has waited since his birth: what passed before a check is counted', async () => {
  server = await AuthzServer.start({ timeoutMs: 5_000 });
  await server.check().verdict;
  const late = await server.check({ ageMs: 4_000, retriedAfterMs: 1_001 }).verdict;
  assert.equal(late.verdict, 'refuse');
  assert.match(String(late.message), /waited 50\d\d ms \(timeout_ms 5000\)/);
  const inTime = server.check({ ageMs: 1_000, retriedAfterMs: 1_000 });
  await waiters(1);
  inTime.call.cancel();
});

test('the grant of a check that is asked again expires on the clock as it is now', async () => {
  server = await AuthzServer.start();
  const { verdict } = server.check({ monotonicMs: 5_000, retriedAfterMs: 30_000 });
  const leftMs = ((await verdict).expires_monotonic_ms as number) - 35_000;
  assert.ok(leftMs >= grantTtlMs && leftMs < grantTtlMs + 500, `${leftMs} ms`);
});

test('a check that waited in its node for a connection to send it by is asked for again, and keeps its slot', async () => {
  server = await AuthzServer.start();
  const { connection, verdict } = server.check();
  await verdict;
  // What it says of its node's clock is of when this try began.
  const monotonicMs = server.now() - 1_000;
  server.skip(800);
  const late = server.check({ connection, monotonicMs });
  await assert.rejects(late.verdict, { code: status.UNAVAILABLE });
  assert.deepEqual(server.used, { slots: 1, waiters: 0 });

  const retriedAfterMs = server.now() - 1_000 - monotonicMs;
  const again = await server.check({ connection, monotonicMs, retriedAfterMs }).verdict;
  const leftMs = (again.expires_monotonic_ms as number) - (server.now() - 1_000);
  assert.ok(again.verdict === 'grant' && leftMs > grantTtlMs - 100, `${leftMs} ms`);
  assert.deepEqual(server.used, { slots: 1, waiters: 0 });
});

test('a node that has not taken the service yet is waited for', async () => {
  server = await AuthzServer.start();
  server.isReady = false;
  const waiting = server.check();
  await waitUntil('the node is waited for', () => server.nodeBecomesReady.length === 1);
  assert.deepEqual(server.used, { slots: 0, waiters: 0 });
  server.nodeBecomesReady(true);
  assert.equal((await waiting.verdict).verdict, 'grant');
});

test('a node that does not take it is told so', async () => {
  server = await AuthzServer.start();
  server.isReady = false;
  const waiting = server.check();
  await waitUntil('the node is waited for', () => server.nodeBecomesReady.length === 1);
  server.nodeBecomesReady(false);
  const { sqlstate, message } = await waiting.verdict;
  assert.equal(sqlstate, '57P03');
  assert.match(String(message), /the node is not ready/);
  assert.equal(server.answers[0]?.reason, 'not_ready');
});

test('what is decided after a node was waited for is decided anew', async () => {
  server = await AuthzServer.start();
  server.isReady = false;
  const waiting = server.check();
  await waitUntil('the node is waited for', () => server.nodeBecomesReady.length === 1);
  server.change({ allow: [{ user: 'bob' }] });
  server.nodeBecomesReady(true);
  assert.equal((await waiting.verdict).sqlstate, '28000');
});

test('a database where nobody listens is said to be down, before anybody queues for it', async () => {
  server = await AuthzServer.start();
  server.isDown = true;
  const { sqlstate, message } = await server.check().verdict;
  assert.equal(sqlstate, '57P03');
  assert.match(String(message), /database "orders" does not answer/);
  assert.equal(server.answers[0]?.reason, 'database_down');
});

test('a brain that stops gives every held check back, and takes no new one', async () => {
  server = await AuthzServer.start();
  await server.check().verdict;
  const held = server.check();
  await waiters(1);
  server.authz.stop();
  await assert.rejects(held.verdict, { code: status.UNAVAILABLE });
  await assert.rejects(server.check().verdict, { code: status.UNAVAILABLE });
});

test('a node that does not say who it is is not answered', async () => {
  server = await AuthzServer.start();
  await assert.rejects(server.check({ node: undefined }).verdict, { code: status.UNAUTHENTICATED });
  assert.deepEqual(server.used, { slots: 0, waiters: 0 });
});

test('a slot that waits for the database’s word keeps the next client held until it is given', async () => {
  server = await AuthzServer.start();
  const first = server.check();
  await first.verdict;
  server.apply({
    kind: 'report',
    connection: first.connection,
    node: 'edge-1',
    service: 'checkout',
    upstream: { serverId: 77 },
  });
  server.observe([77]);
  server.apply({
    kind: 'end',
    connection: first.connection,
    node: 'edge-1',
    service: 'checkout',
    upstream: { serverId: 77 },
    evidence: 'proxy-closed',
  });
  const second = server.check();
  await waiters(1);
  server.observe([77]);
  assert.deepEqual(server.used, { slots: 1, waiters: 1 }, `${target} still shows it`);
  server.observe([]);
  assert.equal((await second.verdict).verdict, 'grant');
});

test('a check is as large as the certificates that Envoy’s TLS takes make it, and no larger', async () => {
  server = await AuthzServer.start();
  const { verdict } = server.check({ certificate: 'x'.repeat(250_000) });
  assert.equal((await verdict).verdict, 'grant');
  const larger = server.check({ certificate: 'x'.repeat(256 << 10) });
  await assert.rejects(larger.verdict, { code: status.RESOURCE_EXHAUSTED });
});
