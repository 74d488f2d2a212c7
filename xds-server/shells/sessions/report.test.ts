import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EnvoyApi } from '../envoy-api/envoy-api.js';
import { type LogEntry, readLogEntries } from './log-entry.js';
import { ledgerEventOf, newsOf } from './report.js';

const connection = '0123456789abcdef0123456789abcdef';

const address = (host: string, port: number) => ({ socket_address: { address: host, port_value: port } });

/** An entry as Envoy would send it, with these differences in its common properties and metadata. */
function entry(type: string, common: object = {}, sluice: object = {}, verdict?: object): LogEntry {
  const message = EnvoyApi.load().root.lookupType('envoy.service.accesslog.v3.StreamAccessLogsMessage');
  const metadata = {
    filter_metadata: {
      sluice: { fields: { connection: { stringValue: connection }, ...sluice } },
      ...(verdict && { 'envoy.filters.network.ext_authz': { fields: verdict } }),
    },
  };
  const common_properties = {
    access_log_type: type,
    metadata,
    duration: { seconds: 2, nanos: 5e8 },
    ...common,
  };
  const tcp_logs = {
    log_entry: [{ common_properties, connection_properties: { received_bytes: 10, sent_bytes: 20 } }],
  };
  const [read] = readLogEntries(message.encode(message.fromObject({ tcp_logs })).finish());
  return read!;
}

const upstream = {
  upstream_cluster: 'service/checkout',
  upstream_local_address: address('10.1.0.1', 4711),
  upstream_remote_address: address('::1', 5432),
};
const granted = { verdict: { stringValue: 'grant' }, cluster: { stringValue: 'service/checkout' } };

test('a connection that opened is reported with its addresses', () => {
  assert.deepEqual(ledgerEventOf(entry('TcpUpstreamConnected', upstream, {}, granted), 'edge-1'), {
    kind: 'report',
    connection,
    node: 'edge-1',
    service: 'checkout',
    upstream: { localAddress: '10.1.0.1:4711', remoteAddress: '[::1]:5432' },
  });
});

test('one that lives is reported with the server’s own id, once that is known', () => {
  const event = ledgerEventOf(
    entry('TcpPeriodic', upstream, { server_id: { numberValue: 77 } }, granted),
    'edge-1',
  );
  assert.equal(event?.kind, 'report');
  assert.equal(event?.upstream.serverId, 77);
});

test('one whose server has closed is no more reported as open', () => {
  const closed = entry('TcpPeriodic', upstream, { server_closed: { boolValue: true } }, granted);
  assert.equal(ledgerEventOf(closed, 'edge-1'), undefined);
});

const client = { downstream_remote_address: address('2001:db8::7', 50_412) };

test('a session is reported with its client’s address, when it opens, while it lives and at its end', () => {
  for (const type of ['TcpUpstreamConnected', 'TcpPeriodic', 'TcpConnectionEnd']) {
    const news = newsOf(entry(type, { ...upstream, ...client }, {}, granted), 'edge-1');
    assert.deepEqual(news?.work?.client, { host: '2001:db8::7', port: 50_412 }, type);
  }
});

test('the client is who the PROXY header says, and not the load balancer that has sent it', () => {
  const behind = { ...client, downstream_direct_remote_address: address('10.0.0.1', 4711) };
  assert.equal(entry('TcpPeriodic', behind).client?.host, '2001:db8::7');
  const { client: nobody } = entry('TcpPeriodic', {
    downstream_direct_remote_address: address('10.0.0.1', 4711),
  });
  assert.equal(nobody, undefined);
});

test('a client without an address has none', () => {
  const pipe = { downstream_remote_address: { pipe: { path: '/run/client' } } };
  const news = newsOf(entry('TcpPeriodic', { ...upstream, ...pipe }, {}, granted), 'edge-1');
  assert.ok(news?.work);
  assert.equal(news.work.client, undefined);
});

test('the end tells who closed', () => {
  const evidence = (common: object, sluice: object = {}) => {
    const event = ledgerEventOf(entry('TcpConnectionEnd', common, sluice, granted), 'edge-1');
    return event?.kind === 'end' && event.evidence;
  };
  const closed = { server_closed: { boolValue: true } };
  assert.equal(evidence(upstream, { ...closed, protocol: { stringValue: 'postgres' } }), 'server-closed');
  assert.equal(evidence(upstream, { ...closed, protocol: { stringValue: 'mysql' } }), 'proxy-closed');
  assert.equal(evidence(upstream, { server_closed: { boolValue: false } }), 'proxy-closed');
  assert.equal(evidence(upstream), 'proxy-closed');
  assert.equal(evidence({}), 'never-opened');
  const { upstream_remote_address } = upstream;
  assert.equal(evidence({ upstream_remote_address }), 'proxy-closed', 'dialled, and perhaps accepted');
  const dialling = { upstream_request_attempt_count: 1 };
  assert.equal(evidence(dialling, { protocol: { stringValue: 'mysql' } }), 'proxy-closed');
  assert.equal(evidence(dialling, { protocol: { stringValue: 'postgres' } }), 'never-opened');
  const refused = {
    upstream_remote_address,
    upstream_transport_failure_reason: 'delayed connect error: Connection refused',
    upstream_request_attempt_count: 1,
  };
  assert.equal(evidence(refused), 'never-opened');
  assert.equal(evidence({ ...refused, upstream_request_attempt_count: 2 }), 'proxy-closed');
  const other = { ...refused, upstream_transport_failure_reason: 'connection timeout' };
  assert.equal(evidence(other), 'proxy-closed');
});

test('a login that its deadline has ended has no outcome, so that it counts as broken off', () => {
  const facts = {
    protocol: { stringValue: 'postgres' },
    server_closed: { boolValue: true },
    ended_by: { stringValue: 'login_deadline' },
  };
  const news = newsOf(entry('TcpConnectionEnd', upstream, facts, granted), 'edge-1');
  assert.deepEqual(news?.event, {
    kind: 'end',
    connection,
    node: 'edge-1',
    service: 'checkout',
    upstream: { localAddress: '10.1.0.1:4711', remoteAddress: '[::1]:5432' },
    evidence: 'server-closed',
  });
  assert.deepEqual(news?.ended, { durationMs: 2_500, loginError: undefined, endedBy: 'login_deadline' });
});

test('a client that left before its verdict ends without a service', () => {
  assert.deepEqual(ledgerEventOf(entry('TcpConnectionEnd'), 'edge-1'), {
    kind: 'end',
    connection,
    node: 'edge-1',
    service: undefined,
    upstream: {},
    evidence: 'never-opened',
  });
});

test('what was refused, never checked or is of another kind is no news', () => {
  const refused = { verdict: { stringValue: 'refuse' } };
  assert.equal(ledgerEventOf(entry('TcpConnectionEnd', {}, {}, refused), 'edge-1'), undefined);
  assert.equal(
    ledgerEventOf(entry('TcpConnectionEnd', {}, { connection: { stringValue: '' } }), 'n'),
    undefined,
  );
  assert.equal(ledgerEventOf(entry('TcpConnectionStart', upstream, {}, granted), 'edge-1'), undefined);
  assert.equal(ledgerEventOf(entry('TcpPeriodic', {}, {}, granted), 'edge-1'), undefined, 'not open yet');
});

test('durations are read', () => {
  assert.equal(entry('TcpConnectionEnd', upstream).durationMs, 2_500);
});

test('texts and numbers that no filter writes are not passed on: brains could not tell each other', () => {
  const long = { stringValue: 'x'.repeat(1 << 20) };
  const facts = {
    ...{ activity: long, cancel_digest: long, login_error: long, ended_by: long },
    ...{ login: { stringValue: 'failed' }, front_id: { numberValue: Number.NaN } },
    ...{ monotonic_ms: { numberValue: Number.NaN }, age_ms: { numberValue: 5 } },
  };
  const nowhere = address('1'.repeat(1 << 20), 5432);
  const far = { ...upstream, upstream_remote_address: nowhere, downstream_remote_address: nowhere };
  for (const type of ['TcpPeriodic', 'TcpConnectionEnd']) {
    const news = newsOf(entry(type, far, facts, granted), 'edge-1');
    assert.ok(JSON.stringify(news).length < 1_000, type);
    assert.equal(news?.work?.bornMonotonicMs, undefined);
    assert.equal(news?.known?.frontId, undefined);
  }
  const cluster = { stringValue: `service/${'x'.repeat(1 << 20)}` };
  assert.equal(newsOf(entry('TcpPeriodic', upstream, {}, { ...granted, cluster }), 'edge-1'), undefined);
});
