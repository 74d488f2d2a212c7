import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { EnvoyApi } from '../../shells/envoy-api/envoy-api.js';
import { clusterName } from '../plan/cluster-name.js';
import { planOf } from '../plan/plan-of.js';
import { parseSpec } from '../spec/parse-spec.js';
import { referencedFiles } from '../spec/referenced-files.js';
import { leftOut, yaml } from '../spec/sound-spec.js';
import { buildSnapshot } from './build.js';
import { Encoder } from './encoder.js';
import { protoJson } from './proto-json.js';
import { type Resource, type Snapshot, TypeUrl } from './snapshot.js';

const encoder = new Encoder(EnvoyApi.load().root);
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Each file holds its own name. */
function snapshot(text: string, files: Readonly<Record<string, string>> = {}): Snapshot {
  const parsed = parseSpec(text);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  const contents = referencedFiles(parsed.spec).map(
    ({ path }) => [path, new TextEncoder().encode(files[path] ?? path)] as const,
  );
  return buildSnapshot(planOf(parsed.spec), new Map(contents), encoder, hash);
}

/** `cluster service/checkout` → version. */
function versions(of: Snapshot): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [kind, url] of Object.entries(TypeUrl))
    for (const [name, { version }] of of.sets.get(url)!.resources) all[`${kind} ${name}`] = version;
  return all;
}

function differences(a: Snapshot, b: Snapshot): string[] {
  const [before, after] = [versions(a), versions(b)];
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => before[name] !== after[name]).sort();
}

function json(type: TypeUrl, resource: Resource | undefined) {
  assert.ok(resource);
  return protoJson(encoder.root, type.split('/')[1]!, resource.bytes);
}

const sound = snapshot(yaml());

/** Of the primary's only service. */
const clusterAt = (host: string) => clusterName('checkout', 'orders/primary', [{ host, port: 5432 }], false);

const at = {
  checkout: clusterAt('10.0.0.5'),
  search: clusterName('search', 'orders/replica', [{ host: '10.0.0.6', port: 5432 }], false),
  reports: clusterName(
    'reports',
    'warehouse/primary',
    [{ host: 'warehouse.example.com', port: 3306 }],
    false,
  ),
  second: clusterName('second', 'orders/primary', [{ host: '10.0.0.5', port: 5432 }], false),
};

test('a snapshot holds every type, and every name stands in its own bytes', () => {
  assert.deepEqual(Object.keys(versions(sound)), [
    `cluster ${at.checkout}`,
    `cluster ${at.reports}`,
    `cluster ${at.search}`,
    `endpoints ${at.checkout}`,
    `endpoints ${at.search}`,
    'listener mysql',
    'listener pg',
    'secret listener/mysql',
    'secret listener/pg',
    'secret listener/pg/client-ca',
    'secret checkout.orders.db.example.com',
    'secret reports.db.example.com',
    'secret search.orders.db.example.com',
    'runtime sluice',
  ]);
  for (const [type, { resources }] of sound.sets) {
    for (const [name, resource] of resources) {
      const { name: own, cluster_name: cluster } = json(type, resource);
      assert.equal(own ?? cluster, name);
      assert.equal(resource.version, hash(resource.bytes));
    }
  }
});

test('every resource names the object that it comes from', () => {
  const owners = [...sound.sets.values()].flatMap(({ resources }) =>
    [...resources].map(([name, { owner }]) => `${name}: ${owner}`),
  );
  assert.deepEqual(owners, [
    `${at.checkout}: services.checkout`,
    `${at.reports}: services.reports`,
    `${at.search}: services.search`,
    `${at.checkout}: services.checkout`,
    `${at.search}: services.search`,
    'mysql: listeners.mysql',
    'pg: listeners.pg',
    'listener/mysql: listeners.mysql.tls.certificate',
    'listener/pg: listeners.pg.tls.certificate',
    'listener/pg/client-ca: listeners.pg.tls.client_ca',
    'checkout.orders.db.example.com: listeners.pg.tls.certificate',
    'reports.db.example.com: listeners.mysql.tls.certificate',
    'search.orders.db.example.com: services.search.certificate',
    'sluice: services',
  ]);
});

test('the order of the text means nothing', () => {
  const lines = yaml().split('\n');
  const sections = ['listeners:', 'databases:', 'tenants:', 'services:'].map((name) => lines.indexOf(name));
  const parts = sections.map((start, i) => lines.slice(start, sections[i + 1] ?? -1).join('\n'));
  assert.equal(snapshot(parts.reverse().join('\n')).version, sound.version);
});

const second = {
  hostname: 'second.example.com',
  tenant: 'analytics',
  database: 'orders',
  max_connections: 80,
  allow: [{ user: 'x' }],
};
const changes: readonly [why: string, path: string, value: unknown, changes: readonly string[]][] = [
  ['a resize is runtime and nothing else', 'services.checkout.max_connections', 41, ['runtime sluice']],
  [
    'a new service is its own cluster, endpoints and certificate',
    'services.second',
    second,
    [`cluster ${at.second}`, `endpoints ${at.second}`, 'runtime sluice', 'secret second.example.com'],
  ],
  [
    'a service that goes takes only its own along',
    'services.checkout',
    leftOut,
    [
      `cluster ${at.checkout}`,
      `endpoints ${at.checkout}`,
      'runtime sluice',
      'secret checkout.orders.db.example.com',
    ],
  ],
  [
    'a service at other servers is another cluster: its name says where it leads',
    'databases.orders.endpoints.0.host',
    '10.0.0.7',
    [
      `cluster ${at.checkout}`,
      `cluster ${clusterAt('10.0.0.7')}`,
      `endpoints ${at.checkout}`,
      `endpoints ${clusterAt('10.0.0.7')}`,
      'runtime sluice',
    ],
  ],
  [
    'a server that becomes a DNS name is a cluster that resolves it',
    'databases.orders.endpoints.0.host',
    'orders.example.com',
    [
      `cluster ${at.checkout}`,
      `cluster ${clusterAt('orders.example.com')}`,
      `endpoints ${at.checkout}`,
      'runtime sluice',
    ],
  ],
  ['a changed queue concerns no node', 'services.checkout.max_queue', 7, []],
  ['a changed rule concerns no node', 'services.checkout.allow', [{ user: 'y' }], []],
  ['a changed default service concerns no node', 'listeners.mysql.default_service', leftOut, []],
  ['a changed budget concerns no node', 'databases.orders.capacity', 200, []],
  [
    'another host name is another certificate and nothing else',
    'services.checkout.hostname',
    'other.example.com',
    ['secret checkout.orders.db.example.com', 'secret other.example.com'],
  ],
  ['a listener that moves is that listener', 'listeners.pg.address', '0.0.0.0:5433', ['listener pg']],
  [
    'a CA that is taken back is the listener and the secret',
    'listeners.pg.tls',
    { certificate: { chain: 'front.pem', key: 'front.key' } },
    ['listener pg', 'secret listener/pg/client-ca'],
  ],
  ['another server version is in the greeting', 'databases.warehouse.version', '10.6', ['listener mysql']],
];

for (const [why, path, value, expected] of changes)
  test(why, () => {
    // A principal needs the CA that one of the changes takes away.
    const without = [['services.checkout.allow', [{ user: 'x' }]]] as const;
    const before = snapshot(yaml(without));
    assert.deepEqual(differences(before, snapshot(yaml([...without, [path, value]]))), [...expected].sort());
  });

test('a renewed certificate is that secret', () => {
  assert.deepEqual(differences(sound, snapshot(yaml(), { 'search.pem': 'renewed' })), [
    'secret search.orders.db.example.com',
  ]);
});

test('no change of services, tenants, databases or files changes a byte of a listener', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z]$/);
  const service = fc.record({
    hostname: fc.nat().map((n) => `h${n}.example.com`),
    tenant: fc.constantFrom('shop', 'analytics'),
    database: fc.constantFrom('orders', 'warehouse'),
    max_connections: fc.integer({ min: 1, max: 50 }),
    max_queue: fc.nat(1000),
    timeout_ms: fc.integer({ min: 1, max: 600_000 }),
    priority: fc.integer({ min: -1000, max: 1000 }),
    allow: fc.constant([{ user: 'x' }]),
  });
  const services = fc
    .uniqueArray(fc.tuple(name, service), { maxLength: 6, selector: ([, { hostname }]) => hostname })
    .map((each) => Object.fromEntries(each));
  const host = fc.oneof(
    fc.nat(254).map((n) => `10.9.0.${n}`),
    name.map((n) => `${n}.example.com`),
  );
  const listeners = (of: Snapshot) =>
    [...of.sets.get(TypeUrl.listener)!.resources.values()].map(({ bytes }) => bytes);
  fc.assert(
    fc.property(
      services,
      host,
      fc.integer({ min: 60, max: 500 }),
      fc.string(),
      (all, orders, capacity, file) => {
        const text = yaml([
          ['services', all],
          ['databases.orders.endpoints.0.host', orders],
          ['databases.orders.capacity', capacity],
          ['databases.warehouse.capacity', capacity],
          ['tenants.third', {}],
          ['listeners.mysql.default_service', leftOut],
        ]);
        const other = snapshot(text, { 'front.pem': file, 'clients.pem': file });
        assert.deepEqual(listeners(other), listeners(sound));
      },
    ),
    { numRuns: 100 },
  );
});

test('a server name without a certificate of its own gets the listener’s, under the name that was asked for', () => {
  const { fallback, resources } = sound.sets.get(TypeUrl.secret)!;
  const chainOf = (resource: Resource | undefined) => {
    const { name, tls_certificate: certificate } = json(TypeUrl.secret, resource);
    const chain = (certificate as { certificate_chain: { inline_bytes: string } }).certificate_chain
      .inline_bytes;
    return `${name} ${Buffer.from(chain, 'base64')} ${resource!.owner}`;
  };
  assert.equal(
    chainOf(resources.get('checkout.orders.db.example.com')),
    'checkout.orders.db.example.com front.pem listeners.pg.tls.certificate',
  );
  assert.equal(
    chainOf(resources.get('reports.db.example.com')),
    'reports.db.example.com front.pem listeners.mysql.tls.certificate',
  );
  assert.equal(resources.has('stranger.example.com'), false);
  assert.equal(
    chainOf(fallback!('stranger.example.com')),
    'stranger.example.com front.pem listeners.mysql.tls.certificate',
  );
  assert.equal(
    chainOf(fallback!('SEARCH.orders.db.example.com')),
    'SEARCH.orders.db.example.com search.pem services.search.certificate',
  );
  assert.equal(fallback!('stranger.example.com'), fallback!('stranger.example.com'));
});

test('names within a wildcard get its service’s certificate; an exact name and the names around it do not', () => {
  const text = yaml([['services.search.hostname', '*.orders.db.example.com']]);
  const { fallback, resources } = snapshot(text).sets.get(TypeUrl.secret)!;
  const ownerOf = (name: string) => (resources.get(name) ?? fallback!(name))?.owner;
  assert.equal(ownerOf('any.orders.db.example.com'), 'services.search.certificate');
  assert.equal(ownerOf('ANY.orders.db.example.com.'), 'services.search.certificate');
  assert.equal(ownerOf('checkout.orders.db.example.com'), 'listeners.pg.tls.certificate');
  for (const name of ['orders.db.example.com', 'a.b.orders.db.example.com', '*.b.orders.db.example.com'])
    assert.equal(ownerOf(name), 'listeners.mysql.tls.certificate', name);
  // Chosen by strangers: none of them takes the room of a service.
  assert.deepEqual(
    [...resources.keys()].filter((name) => name.endsWith('.orders.db.example.com')),
    ['checkout.orders.db.example.com', '*.orders.db.example.com'],
  );
});

test('a renewed certificate of a wildcard makes another set, so that nodes are sent it for the names they asked for', () => {
  const text = yaml([['services.search.hostname', '*.orders.db.example.com']]);
  const before = snapshot(text).sets.get(TypeUrl.secret)!;
  const after = snapshot(text, { 'search.pem': 'renewed' }).sets.get(TypeUrl.secret)!;
  assert.notEqual(before.version, after.version);
  const name = 'any.orders.db.example.com';
  assert.notEqual(before.fallback!(name)!.version, after.fallback!(name)!.version);
});

test('a name that no service could have gets a certificate too, so that its client can read a refusal', () => {
  const { fallback } = sound.sets.get(TypeUrl.secret)!;
  for (const name of ['a_b.example.com', 'a.example.com.', '10.0.0.1', `${'a'.repeat(64)}.com`])
    assert.ok(fallback!(name), name);
});

test('a name that no client may choose has no certificate', () => {
  const { fallback } = sound.sets.get(TypeUrl.secret)!;
  for (const name of ['', 'listener/pg/key', '/', 'a'.repeat(256)])
    assert.equal(fallback!(name), undefined, name);
});

test('a file that was not read is an error that names it', () => {
  const parsed = parseSpec(yaml());
  assert.ok(parsed.ok);
  const { spec } = parsed;
  assert.throws(
    () => buildSnapshot(planOf(spec), new Map(), encoder, hash),
    /expected file front.pem, found none/,
  );
});

test('limits stand in the runtime layer as Envoy reads them', () => {
  const { layer } = json(TypeUrl.runtime, sound.sets.get(TypeUrl.runtime)!.resources.get('sluice'));
  assert.deepEqual(layer, {
    [`circuit_breakers.${at.checkout}.default.max_connections`]: 40,
    [`circuit_breakers.${at.checkout}.default.max_pending_requests`]: 40,
    [`circuit_breakers.${at.reports}.default.max_connections`]: 20,
    [`circuit_breakers.${at.reports}.default.max_pending_requests`]: 20,
    [`circuit_breakers.${at.search}.default.max_connections`]: 80,
    [`circuit_breakers.${at.search}.default.max_pending_requests`]: 80,
  });
});
