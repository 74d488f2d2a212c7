/**
 * The server against the real Envoy, in both variants of the protocol: what the scripted nodes of the other tests
 * claim about a node is held against one.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import type { Cluster } from '#envoy-api/envoy/config/cluster/v3/Cluster.js';
import type { TcpProxy } from '#envoy-api/envoy/extensions/filters/network/tcp_proxy/v3/TcpProxy.js';
import { bootstrap } from '../../xds-server/pure/snapshot/bootstrap.js';
import { downstreamTls } from '../../xds-server/pure/snapshot/downstream-tls.js';
import { Encoder } from '../../xds-server/pure/snapshot/encoder.js';
import { any, struct } from '../../xds-server/pure/snapshot/messages.js';
import { type Resource, type ResourceSet, TypeUrl } from '../../xds-server/pure/snapshot/snapshot.js';
import type { Variant } from '../../xds-server/pure/subscription/exchange.js';
import { EnvoyApi } from '../../xds-server/shells/envoy-api/envoy-api.js';
import { Certificates } from '../harness/certificates.js';
import { Child } from '../harness/child.js';
import { getJson } from '../harness/http.js';
import { ownAddress, ownPort } from '../harness/own-address.js';
import { scratchFolder } from '../harness/scratch.js';
import { waitUntil } from '../harness/wait-until.js';
import { ServerUnderTest, snapshotOf } from './xds-harness.js';

const encoder = new Encoder(EnvoyApi.load().root);
const top = path.resolve(import.meta.dirname, '../..');

/** Much less than the 15 s after which Envoy gives up waiting for a cluster's endpoints. */
const warmWithinMs = 5_000;

const CLUSTER: Cluster = {
  type: 'EDS',
  eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
  connect_timeout: { seconds: 1 },
};

function resource(typeUrl: TypeUrl, name: string, message: object): Resource {
  const bytes = encoder.encode(typeUrl.slice(typeUrl.indexOf('/') + 1), message);
  return { name, version: Buffer.from(bytes).toString('base64'), bytes, owner: `services.${name}` };
}

function setOf(resources: readonly Resource[]): ResourceSet {
  return {
    version: resources.map(({ name, version }) => `${name} ${version}`).join(),
    resources: new Map(resources.map((each) => [each.name, each])),
  };
}

const cluster = (name: string, connectSeconds = 1, more: Cluster = {}): Resource =>
  resource(TypeUrl.cluster, name, {
    name,
    ...CLUSTER,
    connect_timeout: { seconds: connectSeconds },
    ...more,
  });

const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });

const endpoints = (name: string, port = 9): Resource =>
  resource(TypeUrl.endpoints, name, {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
  });

const tcpProxy = (target: string) => ({
  name: 'tcp_proxy',
  typed_config: any<TcpProxy>('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
    stat_prefix: 'tcp',
    cluster: target,
    upstream_connect_mode: 'ON_DOWNSTREAM_DATA',
    max_early_data_bytes: { value: 1024 },
  }),
});

/** As a listener of this project has it. */
const onDemandCertificate = downstreamTls({
  name: 'l',
  protocol: 'mysql',
  address: { host: ownAddress, port: 0 },
  certificate: { chain: '', key: '' },
  allowPlaintext: false,
});

const listener = (name: string, port: number, target: string): Resource =>
  resource(TypeUrl.listener, name, {
    name,
    address: { socket_address: { address: ownAddress, port_value: port } },
    filter_chains: [{ filters: [tcpProxy(target)] }],
  });

const runtime = resource(TypeUrl.runtime, 'sluice', {
  name: 'sluice',
  layer: struct({ answer: 42 }),
});

const world = (clusters: readonly Resource[], listeners: readonly Resource[] = []) =>
  snapshotOf({
    [TypeUrl.cluster]: setOf(clusters),
    [TypeUrl.endpoints]: setOf(clusters.map(({ name }) => endpoints(name))),
    [TypeUrl.listener]: setOf(listeners),
    [TypeUrl.runtime]: setOf([runtime]),
  });

interface Dumped {
  readonly name: string;
  readonly connect_timeout: string;
}

class NodeUnderTest {
  private constructor(
    private readonly child: Child,
    private readonly admin: string,
  ) {}

  static async start(t: TestContext, variant: Variant, port: number): Promise<NodeUnderTest> {
    const folder = scratchFolder(`envoy-${variant}`);
    const admin = { host: ownAddress, port: await ownPort() };
    const config = bootstrap({ node: 'node-1', xds: [{ host: '127.0.0.1', port }], admin }, encoder);
    const text = JSON.stringify(config);
    const file = path.join(folder, 'bootstrap.json');
    writeFileSync(file, variant === 'delta' ? text : text.replace('"DELTA_GRPC"', '"GRPC"'));
    const child = await Child.start({
      title: `Envoy, ${variant}`,
      command: path.join(top, 'build/bin/envoy'),
      args: [
        ...['--config-path', file, '--concurrency', '1', '--disable-hot-restart'],
        ...['--log-level', 'warning', '--component-log-level', 'upstream:info,config:info'],
      ],
      logFile: path.join(folder, 'log'),
    });
    t.after(() => child.stop());
    const node = new NodeUnderTest(child, `http://${admin.host}:${admin.port}`);
    await waitUntil('Envoy answers on its admin interface', async () => {
      child.assertRunning();
      return getJson(`${node.admin}/stats?format=json&filter=server.live`);
    });
    return node;
  }

  /** Clusters that came over CDS and can be used: name → connect timeout. */
  async clusters(): Promise<Readonly<Record<string, string>>> {
    type Dump = { configs: { dynamic_active_clusters?: { cluster: Dumped }[] }[] };
    const dump = await getJson<Dump>(`${this.admin}/config_dump?mask=dynamic_active_clusters`);
    const active = dump.configs.flatMap((config) => config.dynamic_active_clusters ?? []);
    return Object.fromEntries(
      active.map(({ cluster: { name, connect_timeout } }) => [name, connect_timeout]),
    );
  }

  async listeners(): Promise<readonly string[]> {
    type Listeners = { listener_statuses?: { name: string }[] };
    const { listener_statuses = [] } = await getJson<Listeners>(`${this.admin}/listeners?format=json`);
    return listener_statuses.map(({ name }) => name);
  }

  async runtime(key: string): Promise<string | undefined> {
    type Runtime = { entries: Record<string, { final_value: string }> };
    return (await getJson<Runtime>(`${this.admin}/runtime`)).entries[key]?.final_value;
  }

  get log(): string {
    return this.child.log;
  }
}

async function isClusters(node: NodeUnderTest, expected: Readonly<Record<string, string>>): Promise<boolean> {
  try {
    assert.deepEqual(await node.clusters(), expected);
    return true;
  } catch (error) {
    if (error instanceof assert.AssertionError) return false;
    throw error;
  }
}

for (const variant of ['delta', 'sotw'] as const) {
  test(`${variant}: Envoy gets clusters, endpoints, a listener and runtime; changes and removals follow`, async (t) => {
    const server = await ServerUnderTest.start();
    t.after(() => server.stop());
    const port = await ownPort();
    server.xds.publish(world([cluster('a')], [listener('l', port, 'a')]));
    const node = await NodeUnderTest.start(t, variant, server.port);
    const isConverged = () => server.xds.nodes().some(({ convergence }) => convergence === 'converged');

    await waitUntil('the listener', async () => (await node.listeners()).includes('l'));
    assert.ok(await isClusters(node, { a: '1s' }));
    assert.equal(await node.runtime('answer'), '42');
    await waitUntil('convergence', isConverged);
    assert.ok(server.xds.isAcked('node-1', TypeUrl.cluster, 'a'));
    assert.ok(server.xds.isAcked('node-1', TypeUrl.endpoints, 'a'));

    // A changed cluster warms until it is given its endpoints, which have not changed.
    server.xds.publish(world([cluster('a', 2), cluster('b')], [listener('l', port, 'a')]));
    const isWarm = () => isClusters(node, { a: '2s', b: '1s' });
    await waitUntil('the changed cluster and the new one', isWarm, warmWithinMs);
    await waitUntil('convergence', isConverged);

    server.xds.publish(world([cluster('b')]));
    await waitUntil('a and l gone', async () => {
      return (await isClusters(node, { b: '1s' })) && (await node.listeners()).length === 0;
    });
    await waitUntil('convergence', isConverged);
    assert.ok(!server.xds.isAcked('node-1', TypeUrl.cluster, 'a'));
    assert.deepEqual(server.nacks, []);
  });

  const badOnes: Record<string, Resource> = {
    'that Envoy cannot carry out': cluster('bad', 1, { type: 'STATIC', lb_policy: 'CLUSTER_PROVIDED' }),
    'that breaks a constraint of its schema': cluster('bad', -1),
  };
  for (const [what, bad] of Object.entries(badOnes))
    test(`${variant}: Envoy keeps the last good cluster of one ${what}, and takes the others`, async (t) => {
      const server = await ServerUnderTest.start();
      t.after(() => server.stop());
      server.xds.publish(world([cluster('bad'), cluster('good')]));
      const node = await NodeUnderTest.start(t, variant, server.port);
      await waitUntil('both', () => isClusters(node, { bad: '1s', good: '1s' }));

      server.xds.publish(world([bad, cluster('good', 2), cluster('new')]));
      await waitUntil('the good ones', () => isClusters(node, { bad: '1s', good: '2s', new: '1s' }));
      const rejected = () => server.xds.nodes().some(({ convergence }) => convergence === 'rejected');
      await waitUntil('the refusal', rejected);
      assert.deepEqual(
        server.nacks.map(({ node, owner }) => [node, owner]),
        [['node-1', 'services.bad']],
      );
      assert.ok(server.xds.isAcked('node-1', TypeUrl.cluster, 'bad'), 'an earlier version of it');
      assert.ok(server.xds.isAcked('node-1', TypeUrl.cluster, 'new'));

      server.xds.publish(world([cluster('bad', 3), cluster('good', 2), cluster('new')]));
      await waitUntil('the mended one', () => isClusters(node, { bad: '3s', good: '2s', new: '1s' }));
      const converged = () => server.xds.nodes().every(({ convergence }) => convergence === 'converged');
      await waitUntil('convergence', converged);
      assert.equal(server.nacks.length, 1);
    });
}

test('delta: after the server restarts, Envoy is sent what changed, and is told what is gone', async (t) => {
  const before = await ServerUnderTest.start();
  const clusters = [cluster('gone'), cluster('moved'), cluster('same')];
  const port = await ownPort();
  const listeners = [listener('l', port, 'same')];
  before.xds.publish(world(clusters, listeners));
  const node = await NodeUnderTest.start(t, 'delta', before.port);
  await waitUntil('the listener', async () => (await node.listeners()).includes('l'));
  await waitUntil('convergence', () => before.converged.length > 0);
  await before.stop();

  const read = node.log.length;
  const after = await ServerUnderTest.start({}, before.port);
  t.after(() => after.stop());
  after.xds.publish(world([cluster('moved', 2), cluster('same')], listeners));
  await waitUntil('the change', () => isClusters(node, { moved: '2s', same: '1s' }), warmWithinMs);
  await waitUntil('convergence', () => after.converged.length > 0);
  assert.ok(after.xds.isAcked('node-1', TypeUrl.cluster, 'same'), 'known from what Envoy brought along');
  const said = node.log.slice(read).match(/cds: added.*|lds: .*/g);
  assert.deepEqual(said, [
    'cds: added/updated 1 cluster(s) (skipped 0 unmodified cluster(s)); removed 0 cluster(s)',
    'cds: added/updated 0 cluster(s) (skipped 0 unmodified cluster(s)); removed 1 cluster(s)',
  ]);
});

test('delta: of so many refused clusters that Envoy’s text does not name them all none is taken for applied', async (t) => {
  const server = await ServerUnderTest.start();
  t.after(() => server.stop());
  const node = await NodeUnderTest.start(t, 'delta', server.port);
  const names = Array.from({ length: 100 }, (_, n) => `bad-${n}`);
  const bad = names.map((name) => cluster(name, 1, { type: 'STATIC', lb_policy: 'CLUSTER_PROVIDED' }));
  server.xds.publish(world([...bad, cluster('good')]));
  await waitUntil('all refusals', () => server.xds.nodes()[0]?.convergence === 'rejected');
  assert.ok(await isClusters(node, { good: '1s' }));
  const isAcked = (name: string) => server.xds.isAcked('node-1', TypeUrl.cluster, name);
  assert.deepEqual([...names, 'good'].filter(isAcked), ['good']);
});

test('delta: an Envoy that waits for a server is served as soon as there is a snapshot', async (t) => {
  const server = await ServerUnderTest.start();
  t.after(() => server.stop());
  const node = await NodeUnderTest.start(t, 'delta', server.port);
  await waitUntil('its request', () => server.xds.nodes().length > 0);
  server.xds.publish(world([cluster('a')]));
  await waitUntil('the cluster', () => isClusters(node, { a: '1s' }));
});

test('delta: server names that strangers make up take each other’s place, and nobody else’s', async (t) => {
  // More names than a stream may have are asked for: each is given up with its place.
  const server = await ServerUnderTest.start({ maxFallbacks: 2, maxNames: 10 });
  t.after(() => server.stop());
  const files = await (await Certificates.create()).server('example');
  const certificate = (name: string): Resource => {
    const pem = { chain: readFileSync(files.chain), key: readFileSync(files.key) };
    return resource(TypeUrl.secret, name, {
      name,
      tls_certificate: {
        certificate_chain: { inline_bytes: pem.chain },
        private_key: { inline_bytes: pem.key },
      },
    });
  };
  const port = await ownPort();
  const listener = resource(TypeUrl.listener, 'l', {
    name: 'l',
    address: { socket_address: { address: ownAddress, port_value: port } },
    filter_chains: [{ filters: [tcpProxy('nowhere')], transport_socket: onDemandCertificate }],
  });
  server.xds.publish(
    snapshotOf({
      [TypeUrl.cluster]: setOf([]),
      [TypeUrl.listener]: setOf([listener]),
      [TypeUrl.secret]: { ...setOf([certificate('own.example')]), fallback: certificate },
    }),
  );
  const node = await NodeUnderTest.start(t, 'delta', server.port);
  await waitUntil('the listener', async () => (await node.listeners()).includes('l'));

  const greet = async (servername: string): Promise<void> => {
    const socket = tls.connect({ host: ownAddress, port, servername, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    socket.destroy();
  };
  await greet('own.example');
  for (let turn = 0; turn < 2; turn++) for (let n = 0; n < 20; n++) await greet(`stranger-${n}.example`);
  await greet('own.example');
  assert.equal(server.xds.nodes().length, 1);
  assert.ok(server.xds.isAcked('node-1', TypeUrl.secret, 'own.example'));
});
