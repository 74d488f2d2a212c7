/**
 * The channels between Envoy and the brain: a node speaks for itself only, and the certificates of both ends and their
 * CA are replaced under load without anybody noticing.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { credentials, type ServiceError } from '@grpc/grpc-js';
import { Certificates } from '../harness/certificates.js';
import { brainName, type ChannelFiles } from '../harness/channel-certificates.js';
import { stopEverything } from '../harness/ending.js';
import { clientOf } from '../harness/grpc-client.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { Load } from './load.js';
import { backendOf, postgresSession } from './sessions.js';

const account = { user: 'ann', password: 'correct horse', database: 'orders' };

let orders: Protected<Postgres>;
let sluice: Sluice;

before(async () => {
  orders = await protectedPostgres('orders', {
    budget: 20,
    accounts: [{ name: account.user, password: account.password }],
    databases: ['orders'],
  });
  sluice = await Sluice.start({
    databases: { orders },
    services: { checkout: { database: 'orders', max_connections: 10 } },
  });
});

after(stopEverything);

async function metric(name: string): Promise<number> {
  const line = (await sluice.brain.metrics()).split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length) ?? 0);
}

// biome-ignore lint/suspicious/noExplicitAny: grpc-js gives its clients no better type
function clientAs(files: ChannelFiles, service: string): any {
  const { host, port } = sluice.brain.xds;
  const [ca, key, chain] = [files.ca, files.key, files.certificate].map((file) => readFileSync(file));
  return new (clientOf(service))(`${host}:${port}`, credentials.createSsl(ca!, key!, chain!), {
    'grpc.ssl_target_name_override': brainName,
  });
}

test('a forged access log from another node changes nothing, and is counted', {
  timeout: 60_000,
}, async () => {
  const session = await postgresSession(sluice, 'checkout', account);
  const [held] = await waitUntil('it is active', async () => {
    const { rows } = await sluice.brain.sessions();
    return rows[0]?.state === 'active' ? rows : undefined;
  });
  const client = clientAs(
    await sluice.brain.channel!.node('edge-2'),
    'envoy.service.accesslog.v3.AccessLogService',
  );
  const stream = client.StreamAccessLogs(() => undefined);
  const fields = {
    connection: { stringValue: held!.connection },
    protocol: { stringValue: 'postgres' },
    server_closed: { boolValue: true },
  };
  const common_properties = {
    access_log_type: 'TcpConnectionEnd',
    upstream_cluster: 'service/checkout',
    metadata: { filter_metadata: { sluice: { fields } } },
  };
  stream.write({ tcp_logs: { log_entry: [{ common_properties }] } });
  await waitUntil('it is counted', async () => (await metric('sluice_forgeries_total{what="end"}')) === 1);
  const [still] = (await sluice.brain.sessions()).rows;
  assert.deepEqual([still?.connection, still?.state], [held!.connection, held!.state]);
  await waitUntil('the log names who did it', () =>
    /"node":"edge-2".*a node spoke of a connection of another node/.test(sluice.brain.log),
  );
  stream.end();
  client.close();
  await session.end();
  await sluice.brain.waitForTaken('checkout', 0);
});

test('a node is not told what is another node’s', { timeout: 60_000 }, async () => {
  const client = clientAs(
    await sluice.brain.channel!.node('edge-2'),
    'envoy.service.discovery.v3.AggregatedDiscoveryService',
  );
  const stream = client.DeltaAggregatedResources();
  const ended = new Promise<ServiceError>((resolve) => stream.on('error', resolve));
  stream.on('data', () => assert.fail('it was told something'));
  stream.write({ node: { id: 'edge-1' }, type_url: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' });
  const { code, details } = await ended;
  assert.equal(code, 7);
  assert.match(details, /that of the channel, edge-2, found "edge-1"/);
  client.close();
});

test('a node that asks for more than a bound allows is counted each time, and named in the log once a second', {
  timeout: 60_000,
}, async () => {
  const exhausted = 'sluice_calls_exhausted_total{method="Check"}';
  const before = await metric(exhausted);
  const client = clientAs(await sluice.brain.channel!.node('edge-2'), 'envoy.service.auth.v3.Authorization');
  const attributes = { context_extensions: { much: 'x'.repeat(300_000) } };
  const ask = () =>
    new Promise<ServiceError>((resolve) =>
      client.Check({ attributes }, (error: ServiceError) => resolve(error)),
    );
  const fromMs = performance.now();
  for (let call = 0; call < 50; call++) assert.equal((await ask()).code, 8);
  const seconds = (performance.now() - fromMs) / 1000;
  assert.equal((await metric(exhausted)) - before, 50);
  const lines = sluice.brain.log.split('\n').filter((line) => line.includes('a call to the brain is ended'));
  assert.ok(lines.length >= 1 && lines.length <= seconds + 1, `${lines.length} lines in ${seconds} s`);
  assert.match(lines[0]!, /"node":"edge-2".*"cause":"message_size".*at most 262144 bytes/);
  client.close();
});

/** Fingerprint of the certificate that the brain shows now. */
function brainShows(): Promise<string> {
  return new Promise((resolve, reject) => {
    const { host, port } = sluice.brain.xds;
    const socket = tls.connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ['h2'] }, () => {
      resolve(socket.getPeerX509Certificate()!.fingerprint256);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

/** Resolves when Envoy has new TLS contexts towards the brain. */
async function nodeTakes(change: () => Promise<void>): Promise<void> {
  const counters = 'cluster.sluice_(xds|brain).client_ssl_socket_factory.ssl_context_update_by_sds';
  const before = await sluice.envoy.stats(counters);
  await change();
  await waitUntil('Envoy has taken it', async () =>
    Object.entries(await sluice.envoy.stats(counters)).every(([name, count]) => count > before[name]!),
  );
}

test('certificates of both ends and their CA are replaced under load: nobody is dropped or refused', {
  timeout: 120_000,
}, async () => {
  const channel = sluice.brain.channel!;
  const [first, second] = [channel.issuer, await Certificates.create()];
  const stale = await channel.node('edge-3');
  const steady = await postgresSession(sluice, 'checkout', account);
  const backend = await backendOf(steady);
  const load = new Load(6, async () => {
    const session = await postgresSession(sluice, 'checkout', account);
    await session.query('SELECT 1');
    await session.end();
  });
  await load.serve(20);

  // As an operator would: first everybody believes both, then everybody has a new one, then the old one goes.
  channel.trust('brain', first, second);
  await nodeTakes(async () => channel.trust('edge-1', first, second));
  await load.serve(20);
  channel.issuer = second;
  const before = await brainShows();
  await channel.renewBrain();
  await nodeTakes(() => channel.renewNode('edge-1'));
  await waitUntil('the brain shows its new certificate', async () => (await brainShows()) !== before);
  await load.serve(20);
  const connections = 'cluster.sluice_(xds|brain).upstream_cx_total';
  const total = async (): Promise<number> =>
    Object.values(await sluice.envoy.stats(connections)).reduce((sum, one) => sum + one, 0);
  const [opened] = [await total()];
  channel.trust('brain', second);
  channel.trust('edge-1', second);
  await waitUntil('the channels of the old CA have ended, and new ones are there', async () => {
    const { nodes } = await sluice.brain.status();
    return (await total()) > opened && nodes.length === 1;
  });
  await load.serve(20);
  await load.stop();

  assert.deepEqual(load.problems, []);
  assert.equal(await backendOf(steady), backend);
  await steady.end();
  assert.equal(orders.server.hasSaidTooMany, false);

  // Whoever the old CA has signed is nobody now.
  const refused = 'sluice_channel_refusals_total{reason="untrusted_certificate"}';
  const earlier = await metric(refused);
  const { host, port } = sluice.brain.xds;
  const [cert, key] = [readFileSync(stale.certificate), readFileSync(stale.key)];
  tls
    .connect({ host, port, cert, key, rejectUnauthorized: false })
    .on('error', () => undefined)
    .resume();
  await waitUntil('it is refused', async () => (await metric(refused)) === earlier + 1);
});

test('files that do not belong together change nothing and are said', { timeout: 60_000 }, async () => {
  const { brain } = sluice;
  const channel = brain.channel!;
  const before = await brainShows();
  const broken = await channel.issuer.server(brainName);
  writeFileSync(channel.brain.key, readFileSync(broken.key));
  const { problems } = await waitUntil('the brain says so', async () => {
    const { channel: now } = await brain.status();
    return now.problems.length > 0 && now;
  });
  assert.match(problems[0]!.message, /expected the key that belongs to the certificate/);
  assert.equal(await brainShows(), before);
  await (await postgresSession(sluice, 'checkout', account)).end();
  await channel.renewBrain();
  await waitUntil('it is mended', async () => (await brain.status()).channel.problems.length === 0);
  assert.notEqual(await brainShows(), before);
  assert.ok((await metric('sluice_channel_certificate_expiry_seconds')) > 86_400);
});
