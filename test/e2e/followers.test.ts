/**
 * What a client or a node asks by a brain that follows reaches what it is meant for, and nothing else: cancel requests, KILL,
 * and reports that are forged. And what a follower says of itself when it is cut off from the leader.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import type { Connection } from 'mysql2/promise';
import type pg from 'pg';
import type { SessionStatus } from '../../xds-server/pure/status/status.js';
import { Brain } from '../harness/brain.js';
import { brainName } from '../harness/channel-certificates.js';
import { stopEverything } from '../harness/ending.js';
import { Envoy } from '../harness/envoy.js';
import { Etcd } from '../harness/etcd.js';
import { clientOf } from '../harness/grpc-client.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { Relay } from '../harness/relay.js';
import { Sluice } from '../harness/sluice.js';
import { sluiceCommand } from '../harness/sluice-command.js';
import { waitUntil } from '../harness/wait-until.js';
import { cancelRequest, keyOf } from './cancel-request.js';
import { mysqlSession, postgresSession } from './sessions.js';

const password = 'correct horse';
const ann = { user: 'ann', password, database: 'orders' };
const mia = { user: 'mia', password, database: 'reports' };
const quick = { timeout: 60_000 } as const;

let orders: Protected<Postgres>;
let reports: Protected<MariaDb>;
let sluice: Sluice;
let etcd: Etcd;
let store: string;
let leader: Brain;
let follower: Brain;
/** Between the follower and the leader. */
let between: Relay;
/** Of the leader's node: clients that come later have only the follower's. */
let ofLeader: { readonly postgres: pg.Client; readonly mysql: Connection };

before(async () => {
  const [etcdOfBrains, postgres, mariadb] = await Promise.all([
    Etcd.start(),
    protectedPostgres('orders', {
      budget: 8,
      accounts: [{ name: 'ann', password }],
      databases: ['orders'],
    }),
    protectedMariaDb('reports', {
      budget: 8,
      accounts: [{ name: 'mia', password }],
      databases: ['reports'],
    }),
  ]);
  [etcd, orders, reports] = [etcdOfBrains, postgres, mariadb];
  store = `etcd:${etcd.urls}`;
  sluice = await Sluice.start({
    databases: { orders, reports },
    tenants: { test: {}, stranger: {} },
    services: {
      checkout: { database: 'orders', max_connections: 4 },
      billing: { database: 'orders', max_connections: 4 },
      dashboard: { database: 'reports', max_connections: 4 },
      stranger: { database: 'reports', max_connections: 4, tenant: 'stranger' },
      spare: { database: 'orders', max_connections: 2, idle: { surplus_ms: 500 } },
    },
    store,
    advertise: async (xds) => {
      between = await Relay.start(xds);
      return between;
    },
  });
  leader = sluice.brain;
  ofLeader = {
    postgres: await postgresSession(sluice, 'checkout', ann),
    mysql: await mysqlSession(sluice, 'dashboard', mia),
  };
  follower = await Brain.start(sluice.file.path, { beside: leader, store, id: 'brain-2' });
  await untilItFollows();
  const edge = await Envoy.start({ node: 'edge-2', xds: follower.xds, channel: follower.channel });
  for (const name of ['pg', 'mysql']) await edge.waitForListener(name);
  // Both would take clients (SO_REUSEPORT), so the leader's stops listening.
  await sluice.envoy.stopListening();
});

after(stopEverything);

const untilItFollows = () =>
  waitUntil('it follows', async () => (await follower.status()).leadership.link?.open);

const metric = async (brain: Brain, name: string): Promise<number> => {
  const line = (await brain.metrics()).split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length) ?? 0);
};

/** Sessions that run a sleep, by the servers' own ids. */
const sleeping = {
  postgres: async (): Promise<number[]> => {
    const rows = await orders.server.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'",
    );
    return rows.map(({ pid }) => pid);
  },
  mysql: async (): Promise<number[]> => {
    const rows = await reports.server.query<{ id: number }>(
      "SELECT id FROM information_schema.processlist WHERE command = 'Query' AND info LIKE 'SELECT SLEEP%'",
    );
    return rows.map(({ id }) => Number(id));
  },
};

interface Asleep {
  /** SQLSTATE or errno of its end. */
  readonly end: Promise<unknown>;
}

async function asleep(engine: keyof typeof sleeping, statement: () => Promise<unknown>): Promise<Asleep> {
  const before = (await sleeping[engine]()).length;
  const end = statement().then(
    () => 'slept',
    (error: { errno?: number; code?: string }) => error.errno ?? error.code,
  );
  await waitUntil('the statement runs', async () => (await sleeping[engine]()).length > before);
  return { end };
}

const asleepIn = {
  postgres: (client: pg.Client) => asleep('postgres', () => client.query('SELECT pg_sleep(60)')),
  mysql: (connection: Connection) => asleep('mysql', () => connection.query('SELECT SLEEP(60)')),
};

/** @param guess by how much the secret is wrong */
async function cancel(client: pg.Client, guess = 0): Promise<void> {
  const { pid, secret } = keyOf(client);
  secret.writeInt32BE(secret.readInt32BE() ^ guess);
  const socket = net.connect(sluice.ports.pg, sluice.host);
  socket.resume().write(cancelRequest({ pid, secret }));
  await once(socket, 'close');
}

const canceled = '57014';
const interrupted = 1317;
const noSuchThread = 1094;

test(
  'an idle session of a follower’s node ends when a limit shrinks below what is in use',
  quick,
  async () => {
    const [working, idle] = await Promise.all([0, 1].map(() => postgresSession(sluice, 'spare', ann)));
    const { end } = await asleepIn.postgres(working!);
    const words = once(idle!, 'error');
    sluice.file.spec.services!.spare!.max_connections = 1;
    sluice.file.save();
    assert.equal((await sluiceCommand('apply', sluice.file.path, '--store', store)).code, 0);
    assert.equal(((await words)[0] as { code: string }).code, '57P01');
    await leader.waitForTaken('spare', 1);
    await cancel(working!);
    assert.equal(await end, canceled);
    await working!.end();
  },
);

describe('a client of a follower’s node stops a statement', () => {
  test('Postgres: of a session that the leader’s own node has', quick, async () => {
    const { end } = await asleepIn.postgres(ofLeader.postgres);
    await cancel(ofLeader.postgres);
    assert.equal(await end, canceled);
  });

  test(
    'Postgres: of a session that is the follower’s node’s, and is cancelled before any report',
    quick,
    async () => {
      const session = await postgresSession(sluice, 'checkout', ann);
      const { end } = await asleepIn.postgres(session);
      await cancel(session);
      assert.equal(await end, canceled);
      await session.end();
    },
  );

  test('MySQL: of a session that the follower’s own node has, and then the session', quick, async () => {
    const [one, other] = await Promise.all([0, 1].map(() => mysqlSession(sluice, 'dashboard', mia)));
    const { end } = await asleepIn.mysql(one!);
    await other!.query(`KILL QUERY ${one!.threadId}`);
    assert.equal(await end, interrupted);
    assert.equal(await reports.server.count('mia'), 3);
    await other!.query(`KILL ${one!.threadId}`);
    await waitUntil('the server has it no more', async () => (await reports.server.count('mia')) === 2);
    await other!.end();
  });

  test('MySQL: of a session that the leader’s own node has', quick, async () => {
    const { end } = await asleepIn.mysql(ofLeader.mysql);
    const other = await mysqlSession(sluice, 'dashboard', mia);
    await other.query(`KILL QUERY ${ofLeader.mysql.threadId}`);
    assert.equal(await end, interrupted);
    await other.end();
  });
});

describe('by a follower too nobody stops what is another’s', () => {
  test('Postgres: with a wrong key, which the leader counts', quick, async () => {
    const before = await metric(leader, 'sluice_cancels_total{outcome="wrong_key"}');
    const { end } = await asleepIn.postgres(ofLeader.postgres);
    await cancel(ofLeader.postgres, 1);
    assert.equal(await metric(leader, 'sluice_cancels_total{outcome="wrong_key"}'), before + 1);
    assert.equal((await sleeping.postgres()).length, 1, 'the statement was hit');
    await cancel(ofLeader.postgres);
    assert.equal(await end, canceled);
  });

  test('MySQL: of another tenant', quick, async () => {
    const { end } = await asleepIn.mysql(ofLeader.mysql);
    const stranger = await mysqlSession(sluice, 'stranger', mia);
    await assert.rejects(stranger.query(`KILL QUERY ${ofLeader.mysql.threadId}`), { errno: noSuchThread });
    const [id, ...others] = await sleeping.mysql();
    assert.deepEqual([typeof id, others], ['number', []], 'the statement was hit');
    await reports.server.query(`KILL QUERY ${id}`);
    assert.equal(await end, interrupted);
    await stranger.end();
  });
});

/** An entry of the access log of a node that takes the follower for its brain, about any connection. */
async function reported(node: string, connection: string, type: string): Promise<() => void> {
  const files = await follower.channel!.node(node);
  const [ca, key, chain] = [files.ca, files.key, files.certificate].map((file) => readFileSync(file));
  const Client = clientOf('envoy.service.accesslog.v3.AccessLogService');
  const client = new Client(
    `${follower.xds.host}:${follower.xds.port}`,
    credentials.createSsl(ca!, key!, chain!),
    { 'grpc.ssl_target_name_override': brainName },
    // biome-ignore lint/suspicious/noExplicitAny: grpc-js gives its clients no better type
  ) as any;
  const stream = client.StreamAccessLogs(() => undefined);
  const fields = {
    connection: { stringValue: connection },
    protocol: { stringValue: 'postgres' },
    server_id: { numberValue: 1 },
    server_closed: { boolValue: type === 'TcpConnectionEnd' },
  };
  const address = { socket_address: { address: '127.0.0.1', port_value: 1 } };
  const stranger = { socket_address: { address: '192.0.2.66', port_value: 1 } };
  const common_properties = {
    access_log_type: type,
    downstream_remote_address: stranger,
    upstream_cluster: 'service/billing',
    upstream_local_address: address,
    upstream_remote_address: address,
    metadata: { filter_metadata: { sluice: { fields } } },
  };
  stream.write({ tcp_logs: { log_entry: [{ common_properties }] } });
  return () => {
    stream.end();
    client.close();
  };
}

describe('a report that is forged by way of a follower changes nothing, and the leader counts it', () => {
  const facts = ({ connection, node, service, state, server_id, client }: SessionStatus) => ({
    ...{ connection, node, service, state, server_id, client },
  });

  for (const [what, type] of [
    ['report', 'TcpPeriodic'],
    ['end', 'TcpConnectionEnd'],
  ] as const)
    for (const whose of ['the leader’s node', 'the follower’s own node'])
      test(`${what} of a session of ${whose}`, quick, async () => {
        const name = `sluice_forgeries_total{what="${what}"}`;
        const counted = await metric(leader, name);
        const isLeaders = whose === 'the leader’s node';
        const session = isLeaders ? ofLeader.postgres : await postgresSession(sluice, 'checkout', ann);
        const { pid } = keyOf(session);
        const held = async () => (await leader.sessions()).rows.find(({ server_id }) => server_id === pid);
        const before = await waitUntil('it is reported', held);
        assert.equal(before.node, isLeaders ? 'edge-1' : 'edge-2');
        assert.match(before.client ?? 'nobody', /^127\.0\.0\.1:\d+$/);
        const hangUp = await reported('edge-9', before.connection, type);
        await waitUntil('it is counted', async () => (await metric(leader, name)) === counted + 1);
        assert.deepEqual(facts((await held())!), facts(before));
        assert.match(leader.log, /"node":"edge-9".*a node spoke of a connection of another node/);
        hangUp();
        if (!isLeaders) await session.end();
      });
});

const readiness = async ({ admin }: Brain): Promise<{ readonly status: number; readonly text: string }> => {
  const response = await fetch(`http://${admin.host}:${admin.port}/readyz`);
  return { status: response.status, text: await response.text() };
};

test('a follower shows no counts that only the leader has: they are null, not 0', quick, async () => {
  const [counts, none] = await Promise.all([leader.status(), follower.status()]);
  assert.ok(counts.services.some(({ total }) => total !== null && total > 0));
  assert.deepEqual(
    none.services.map(({ service, total }) => [service, total]),
    counts.services.map(({ service }) => [service, null]),
  );
  for (const { recovering, observer } of none.targets) assert.deepEqual([recovering, observer], [null, null]);
  assert.deepEqual(
    none.tenants.map(({ total }) => total),
    [null, null],
  );
});

test(
  'a follower that is cut off from the leader is not ready and says why, and the leader goes on',
  quick,
  async () => {
    assert.equal((await readiness(follower)).status, 200);
    assert.equal(await metric(follower, 'sluice_leader_reached'), 1);
    between.cut();
    await waitUntil('it knows', async () => (await metric(follower, 'sluice_leader_reached')) === 0);
    const { status, text } = await readiness(follower);
    assert.equal(status, 503);
    assert.match(text, /brain brain-1 at \S+ leads and is not reached: it is silent/);
    assert.equal((await readiness(leader)).status, 200);
    assert.equal(await metric(leader, 'sluice_leader_reached'), 1);
    await waitUntil('it is given up', async () => (await leader.status()).leadership.followers.length === 0);
    between.mend();
    await untilItFollows();
    assert.equal((await readiness(follower)).status, 200);
    assert.equal(await metric(follower, 'sluice_leader_reached'), 1);
    await (await postgresSession(sluice, 'checkout', ann)).end();
    assert.equal(orders.server.hasSaidTooMany, false);
  },
);

test(
  'a follower is not ready while the term of the leader is over, and says so; with etcd back it follows again',
  quick,
  async () => {
    await etcd.member.kill();
    await waitUntil('it knows', async () => (await metric(follower, 'sluice_leader_reached')) === 0);
    const { status, text } = await readiness(follower);
    assert.equal(status, 503);
    await waitUntil('it says why', async () => {
      const { link } = (await follower.status()).leadership;
      return link?.problem?.includes('this brain does not lead, or its term is over');
    });
    assert.match(text, /leads and is not reached/);
    assert.equal((await readiness(leader)).status, 503);
    await etcd.member.start();
    await untilItFollows();
    await (await postgresSession(sluice, 'checkout', ann)).end();
    assert.equal((await readiness(follower)).status, 200);
  },
);
