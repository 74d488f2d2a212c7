import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EnvoyApi } from '../../shells/envoy-api/envoy-api.js';
import { renderProblem } from '../spec/problem.js';
import { type BootstrapOptions, bootstrap, bootstrapProblems } from './bootstrap.js';
import { Encoder } from './encoder.js';

const encoder = new Encoder(EnvoyApi.load().root);
const sound: BootstrapOptions = { node: 'node-1', xds: [{ host: '127.0.0.1', port: 18000 }] };

test('a node has an admin interface only where one is asked for', () => {
  assert.equal('admin' in bootstrap(sound, encoder), false);
  assert.deepEqual(bootstrap({ ...sound, admin: { host: '::1', port: 9901 } }, encoder).admin, {
    address: { socket_address: { address: '::1', port_value: 9901 } },
  });
});

test('both ways to the brain name the node', () => {
  const text = JSON.stringify(bootstrap({ ...sound, node: 'edge_7.eu-1' }, encoder));
  assert.equal(text.split('{"key":"x-sluice-node","value":"edge_7.eu-1"}').length - 1, 2);
});

const [brain] = sound.xds;

test('of several brains each is in both clusters, and one that fails is avoided', () => {
  const document = bootstrap({ ...sound, xds: [brain!, { host: '::1', port: 18001 }] }, encoder);
  const { clusters } = document.static_resources as { clusters: readonly Record<string, unknown>[] };
  for (const cluster of clusters) {
    const text = JSON.stringify(cluster.load_assignment);
    assert.match(text, /"127\.0\.0\.1","port_value":18000.*"::1","port_value":18001/);
    assert.ok('outlier_detection' in cluster);
  }
});

test('a brain that has no other beside it is never avoided', () => {
  assert.equal(JSON.stringify(bootstrap(sound, encoder)).includes('outlier_detection'), false);
});

const loopbackOnly = (found: string): string =>
  `expected a loopback address, as everybody who reaches it may stop this Envoy, found "${found}"; give 127.0.0.1, and come by a tunnel (ssh -L, kubectl port-forward) or by a proxy that passes GET /stats/prometheus on and nothing else`;

const faults: readonly [why: string, options: Partial<BootstrapOptions>, problem: string][] = [
  [
    'a command in the node id',
    { node: 'a%ENV(HOME)%' },
    'node: expected 1 to 128 of A-Z a-z 0-9 . _ -, found "a%ENV(HOME)%"',
  ],
  ['no node id', { node: '' }, 'node: expected 1 to 128 of A-Z a-z 0-9 . _ -, found ""'],
  [
    'a brain by name',
    { xds: [{ host: 'localhost', port: 1 }] },
    'xds: expected a loopback address, as long as there is no TLS, found "localhost"; give the node a certificate (--tls-certificate, --tls-key, --tls-ca)',
  ],
  ['no brain', { xds: [] }, 'xds: expected 1 to 16 addresses, found 0'],
  ['a brain twice', { xds: [brain!, brain!] }, 'xds: expected each brain once, found 127.0.0.1:18000 twice'],
  [
    'an admin interface by name',
    { admin: { host: 'localhost', port: 1 } },
    `admin: ${loopbackOnly('localhost')}`,
  ],
  [
    'an admin interface for everybody',
    { admin: { host: '0.0.0.0', port: 9901 } },
    `admin: ${loopbackOnly('0.0.0.0')}`,
  ],
  [
    'an admin interface for everybody, in IPv6',
    { admin: { host: '::', port: 1 } },
    `admin: ${loopbackOnly('::')}`,
  ],
];

for (const [why, options, problem] of faults)
  test(`refuses ${why}`, () => {
    assert.deepEqual(bootstrapProblems({ ...sound, ...options }).map(renderProblem), [problem]);
    assert.throws(() => bootstrap({ ...sound, ...options }, encoder), { message: problem });
  });
