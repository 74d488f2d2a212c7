import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Metadata, status } from '@grpc/grpc-js';
import { waitUntil } from '../harness/wait-until.js';
import { AuthzServer } from './authz-server.js';

let server: AuthzServer;
afterEach(() => server?.stop());

const address = (host: string, port: number) => ({ socket_address: { address: host, port_value: port } });

interface Entry {
  readonly connection: string;
  readonly type: 'TcpUpstreamConnected' | 'TcpPeriodic' | 'TcpConnectionEnd';
  readonly opened?: boolean;
  readonly sluice?: Readonly<Record<string, object>>;
  readonly verdict?: 'grant' | 'refuse';
}

function logOf({ connection, type, opened = true, sluice = {}, verdict = 'grant' }: Entry): object {
  const granted = {
    verdict: { stringValue: verdict },
    ...(verdict === 'grant' && { cluster: { stringValue: 'service/checkout' } }),
  };
  return {
    connection_properties: { received_bytes: 10, sent_bytes: 20 },
    common_properties: {
      access_log_type: type,
      duration: { seconds: 3, nanos: 0 },
      metadata: {
        filter_metadata: {
          sluice: {
            fields: {
              connection: { stringValue: connection },
              protocol: { stringValue: 'postgres' },
              ...sluice,
            },
          },
          'envoy.filters.network.ext_authz': { fields: granted },
        },
      },
      ...(opened && {
        upstream_cluster: 'service/checkout',
        upstream_local_address: address('10.1.0.1', 4711),
        upstream_remote_address: address('127.0.0.1', 5433),
      }),
    },
  };
}

/** A node's stream of reports. */
class Reports {
  readonly #stream: { write(message: object): void; end(): void };
  readonly closed: Promise<unknown>;

  constructor(node: string | undefined = 'edge-1') {
    const metadata = new Metadata();
    if (node !== '') metadata.set('x-sluice-node', node);
    const client = server.client('envoy.service.accesslog.v3.AccessLogService');
    let settle!: (error: unknown) => void;
    this.closed = new Promise((resolve) => {
      settle = resolve;
    });
    this.#stream = client.StreamAccessLogs(metadata, (error: unknown) => settle(error));
  }

  send(...entries: readonly Entry[]): void {
    this.#stream.write({ tcp_logs: { log_entry: entries.map(logOf) } });
  }

  end(): void {
    this.#stream.end();
  }
}

const states = () => {
  const { granted, sessions, closing } = server.ledger.view().services.get('checkout')!;
  return { granted, sessions, closing };
};
const until = (wanted: { granted: number; sessions: number; closing: number }) =>
  waitUntil(JSON.stringify(wanted), () => JSON.stringify(states()) === JSON.stringify(wanted));

async function granted(): Promise<string> {
  const { connection, verdict } = server.check();
  assert.equal((await verdict).verdict, 'grant');
  return connection;
}

test('a grant that is reported open is a session, and its slot is free when the server has closed it', async () => {
  server = await AuthzServer.start();
  const connection = await granted();
  const reports = new Reports();
  reports.send({ connection, type: 'TcpUpstreamConnected' });
  await until({ granted: 0, sessions: 1, closing: 0 });
  const activity = { stringValue: 'idle 5000 2 3 0 900 800 2' };
  const sluice = { server_id: { numberValue: 77 }, login: { stringValue: 'ok' }, activity };
  reports.send(
    { connection, type: 'TcpPeriodic', sluice },
    { connection, type: 'TcpConnectionEnd', sluice: { ...sluice, server_closed: { boolValue: true } } },
  );
  await until({ granted: 0, sessions: 0, closing: 0 });
  assert.deepEqual(server.ended, [
    { service: 'checkout', durationMs: 3_000, loginError: undefined, endedBy: undefined },
  ]);
  assert.deepEqual(
    server.worked.map(({ report }) => [report.connection === connection, report.line, report.isEnd]),
    [
      [true, undefined, false],
      [true, activity.stringValue, false],
      [true, activity.stringValue, true],
    ],
  );
});

test('a session that failed or was cut is reported with why', async () => {
  server = await AuthzServer.start();
  const connection = await granted();
  const login = { login: { stringValue: 'failed' }, login_error: { stringValue: '28P01' } };
  const cut = { login: { stringValue: 'ok' }, ended_by: { stringValue: 'idle_session' } };
  new Reports().send(
    { connection, type: 'TcpConnectionEnd', sluice: login },
    { connection, type: 'TcpConnectionEnd', sluice: cut },
  );
  await waitUntil('both are reported', () => server.ended.length === 2);
  const reasons = server.ended.map(({ loginError, endedBy }) => [loginError, endedBy]);
  assert.deepEqual(reasons, [
    ['28P01', undefined],
    [undefined, 'idle_session'],
  ]);
});

test('a session that the node closed waits for the database’s word', async () => {
  server = await AuthzServer.start();
  const connection = await granted();
  const sluice = { server_id: { numberValue: 77 } };
  new Reports().send(
    { connection, type: 'TcpUpstreamConnected', sluice },
    { connection, type: 'TcpConnectionEnd', sluice },
  );
  await until({ granted: 0, sessions: 0, closing: 1 });
  server.observe([]);
  await until({ granted: 0, sessions: 0, closing: 0 });
});

test('a grant that was never used is given back when its client ends', async () => {
  server = await AuthzServer.start();
  const connection = await granted();
  new Reports().send({ connection, type: 'TcpConnectionEnd', opened: false });
  await until({ granted: 0, sessions: 0, closing: 0 });
  assert.deepEqual(server.ended, []);
});

test('the end of a connection that was refused, or that nobody knows, disturbs nothing', async () => {
  server = await AuthzServer.start();
  const connection = await granted();
  const reports = new Reports();
  const stranger = 'f'.repeat(32);
  reports.send(
    { connection: stranger, type: 'TcpConnectionEnd', opened: false, verdict: 'refuse' },
    { connection: 'e'.repeat(32), type: 'TcpConnectionEnd', opened: false },
    { connection: 'no id', type: 'TcpConnectionEnd' },
    { connection, type: 'TcpUpstreamConnected' },
  );
  await until({ granted: 0, sessions: 1, closing: 0 });
  assert.deepEqual(server.ledger.audit(), []);
});

test('a stream that ends or breaks is no news of its sessions', async () => {
  server = await AuthzServer.start();
  const connection = await granted();
  const reports = new Reports();
  reports.send({ connection, type: 'TcpUpstreamConnected' });
  await until({ granted: 0, sessions: 1, closing: 0 });
  reports.end();
  assert.equal(await reports.closed, null);
  assert.deepEqual(states(), { granted: 0, sessions: 1, closing: 0 });
});

test('a node that reports or ends a session of another one is not believed', async () => {
  server = await AuthzServer.start();
  const connection = await granted();
  const reports = new Reports();
  reports.send({ connection, type: 'TcpUpstreamConnected' });
  await until({ granted: 0, sessions: 1, closing: 0 });
  const forger = new Reports('edge-2');
  const closed = { server_closed: { boolValue: true } };
  forger.send(
    { connection, type: 'TcpPeriodic', sluice: { server_id: { numberValue: 99 } } },
    { connection, type: 'TcpConnectionEnd', sluice: closed },
  );
  await waitUntil('both are noticed', () => server.forgeries.length === 2);
  assert.deepEqual(server.forgeries, ['edge-2', 'edge-2']);
  assert.deepEqual(states(), { granted: 0, sessions: 1, closing: 0 });
  assert.deepEqual(server.ended, []);
  reports.send({ connection, type: 'TcpConnectionEnd', sluice: closed });
  await until({ granted: 0, sessions: 0, closing: 0 });
});

test('a node that asks for a connection of another one is refused, and the client waits on', async () => {
  server = await AuthzServer.start();
  await granted();
  const waiting = server.check();
  await waitUntil('a client waits', () => server.used.waiters === 1);
  const { verdict } = server.check({ connection: waiting.connection, node: 'edge-2' });
  assert.equal((await verdict).verdict, 'refuse');
  assert.deepEqual(server.forgeries, ['edge-2']);
  assert.equal(server.used.waiters, 1);
});

test('a node that does not say who it is is not listened to', async () => {
  server = await AuthzServer.start();
  const reports = new Reports('');
  assert.equal(((await reports.closed) as { code: number }).code, status.UNAUTHENTICATED);
});
