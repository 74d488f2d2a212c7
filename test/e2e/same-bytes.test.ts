/** Brains that have the same spec send nodes the same bytes, also while a limit shrinks: whichever a node turns to, nothing changes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Client, credentials } from '@grpc/grpc-js';
import { TypeUrl } from '../../xds-server/pure/snapshot/snapshot.js';
import type { Variant } from '../../xds-server/pure/subscription/exchange.js';
import { EnvoyApi } from '../../xds-server/shells/envoy-api/envoy-api.js';
import { Brain } from '../harness/brain.js';
import { brainName } from '../harness/channel-certificates.js';
import { stopEverything } from '../harness/ending.js';
import { Etcd } from '../harness/etcd.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Relay } from '../harness/relay.js';
import { Sluice } from '../harness/sluice.js';
import { sluiceCommand } from '../harness/sluice-command.js';
import { waitUntil } from '../harness/wait-until.js';

const { root } = EnvoyApi.load();
const discovery = (name: string) => root.lookupType(`envoy.service.discovery.v3.${name}`);
const long = { timeout: 120_000 } as const;

let store: string;
let orders: Protected<Postgres>;
let archive: Protected<Postgres>;
/** Between the brains' observers and a database. */
let toArchive: Relay;
let sluice: Sluice;
let brains: Brain[];

before(async () => {
  const options = { budget: 8, accounts: [{ name: 'ann', password: 'secret' }], databases: ['orders'] };
  const [etcd, ...databases] = await Promise.all([
    Etcd.start(),
    protectedPostgres('orders', options),
    protectedPostgres('archive', options),
  ]);
  [orders, archive] = databases as [Protected<Postgres>, Protected<Postgres>];
  store = `etcd:${etcd.urls}`;
  toArchive = await Relay.start(archive.server);
  sluice = await Sluice.start({
    databases: { orders },
    services: {
      checkout: { database: 'orders', max_connections: 4 },
      billing: { database: 'orders', max_connections: 3 },
    },
    clientCertificates: true,
    store,
  });
  brains = [sluice.brain, await joined('brain-2')];
});

after(stopEverything);

async function joined(id: string): Promise<Brain> {
  const brain = await Brain.start(sluice.file.path, { beside: sluice.brain, store, id });
  await waitUntil('it follows', async () => (await brain.status()).leadership.link?.open);
  return brain;
}

/** What a node asks for: of clusters and listeners all there is, and of endpoints those of the clusters. */
const asked: Readonly<Partial<Record<string, readonly string[]>>> = {
  [TypeUrl.cluster]: [],
  [TypeUrl.listener]: [],
  [TypeUrl.secret]: ['listener/pg', 'listener/pg/client-ca', 'checkout.db.test', 'nobody.db.test'],
  [TypeUrl.runtime]: ['sluice'],
};

/** The first response of each type, as it comes off the wire: nonces are counted, so they are in it. */
async function sent(brain: Brain, variant: Variant): Promise<ReadonlyMap<string, Buffer>> {
  const files = await brain.channel!.node('edge-7');
  const [ca, key, chain] = [files.ca, files.key, files.certificate].map((file) => readFileSync(file));
  const client = new Client(`${brain.xds.host}:${brain.xds.port}`, credentials.createSsl(ca!, key!, chain!), {
    'grpc.ssl_target_name_override': brainName,
    'grpc.use_local_subchannel_pool': 1,
  });
  const [method, prefix] = variant === 'delta' ? ['Delta', 'Delta'] : ['Stream', ''];
  const [request, response] = [
    discovery(`${prefix}DiscoveryRequest`),
    discovery(`${prefix}DiscoveryResponse`),
  ];
  const names = variant === 'delta' ? 'resource_names_subscribe' : 'resource_names';
  const stream = client.makeBidiStreamRequest<object, Buffer>(
    `/envoy.service.discovery.v3.AggregatedDiscoveryService/${method}AggregatedResources`,
    (message) => Buffer.from(request.encode(request.fromObject(message)).finish()),
    (bytes) => bytes,
  );
  const responses = new Map<string, Buffer>();
  let clusters: readonly string[] = [];
  await new Promise<void>((resolve, reject) => {
    stream.on('error', reject);
    stream.on('data', (bytes: Buffer) => {
      const { type_url, nonce, version_info = '' } = response.decode(bytes) as unknown as Decoded;
      if (!responses.has(type_url)) responses.set(type_url, bytes);
      if (responses.size === Object.keys(TypeUrl).length) resolve();
      const acked = variant === 'delta' ? {} : { version_info, [names]: asked[type_url] ?? clusters };
      stream.write({ type_url, response_nonce: nonce, ...acked });
      if (type_url !== TypeUrl.cluster || clusters.length > 0) return;
      clusters = resourcesIn(bytes, variant, 'envoy.config.cluster.v3.Cluster').map(({ name }) => name);
      stream.write({ type_url: TypeUrl.endpoints, [names]: clusters });
    });
    for (const [type_url, of] of Object.entries(asked))
      stream.write({ node: { id: 'edge-7' }, type_url, [names]: of });
  });
  stream.on('error', () => undefined);
  stream.cancel();
  client.close();
  return responses;
}

interface Decoded {
  readonly type_url: string;
  readonly nonce: string;
  readonly version_info?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: what protobufjs makes of bytes has no type
function resourcesIn(bytes: Buffer, variant: Variant, type: string): any[] {
  const response = discovery(variant === 'delta' ? 'DeltaDiscoveryResponse' : 'DiscoveryResponse');
  // biome-ignore lint/suspicious/noExplicitAny: the same
  const { resources } = response.decode(bytes) as any;
  const message = root.lookupType(type);
  return resources.map((each: { value: Uint8Array; resource?: { value: Uint8Array } }) =>
    message.toObject(message.decode((each.resource ?? each).value)),
  );
}

/** The limit on nodes that a response about the runtime holds. */
function limitIn(responses: ReadonlyMap<string, Buffer>, service: string): number | undefined {
  const [runtime] = resourcesIn(responses.get(TypeUrl.runtime)!, 'sotw', 'envoy.service.runtime.v3.Runtime');
  const { fields } = runtime.layer;
  const isIts = (key: string): boolean =>
    key.startsWith(`circuit_breakers.service/${service}/`) && key.endsWith('.default.max_connections');
  return fields[Object.keys(fields).find(isIts)!].numberValue;
}

async function assertSame(): Promise<void> {
  for (const variant of ['delta', 'sotw'] as const) {
    const [first, ...others] = await Promise.all(brains.map((brain) => sent(brain, variant)));
    for (const other of others) assert.deepEqual(other, first);
  }
}

async function applied(): Promise<void> {
  sluice.file.save();
  const { code, stdout } = await sluiceCommand('apply', sluice.file.path, '--store', store, '--json');
  assert.equal(code, 0, stdout);
  const { revision } = JSON.parse(stdout);
  await waitUntil('all brains have it', async () => {
    const revisions = await Promise.all(brains.map(async (brain) => (await brain.status()).spec.revision));
    return revisions.every((each) => each === revision);
  });
}

test('two brains send a node the same bytes, in both variants of the protocol', long, async () => {
  const responses = await sent(brains[1]!, 'delta');
  assert.deepEqual([...responses.keys()].sort(), Object.values(TypeUrl).sort());
  const { length } = responses.get(TypeUrl.endpoints)!;
  assert.ok(length > 100, `${length} bytes of endpoints`);
  await assertSame();
});

test(
  'also in the middle of a shrink, by a brain that begins then too, and when it is over',
  long,
  async () => {
    // A database of which nothing is known yet: what may be open there keeps the nodes' limit up.
    toArchive.cut();
    const { host, port } = toArchive;
    const { databases, services } = sluice.file.spec;
    databases.archive = { ...archive.input, endpoints: [{ host, port }] };
    services!.old = sluice.service('old', { database: 'archive', max_connections: 5 });
    await applied();
    services!.old.max_connections = 3;
    await applied();
    const limits = () => Promise.all(brains.map(async (brain) => limitIn(await sent(brain, 'sotw'), 'old')));
    assert.deepEqual(await limits(), [5, 5]);
    await assertSame();

    brains.push(await joined('brain-3'));
    await waitUntil('it has heard of the shrink', async () => new Set(await limits()).size === 1);
    assert.deepEqual(await limits(), [5, 5, 5]);
    await assertSame();

    toArchive.mend();
    await waitUntil('the shrink is over', async () => (await limits()).every((limit) => limit === 3));
    await assertSame();
  },
);
