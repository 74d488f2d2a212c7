/**
 * Spec in, Envoy's resources out: each folder beside this file is a case, `spec.yaml` → `resources.yaml`; the
 * bootstrap, which depends on no spec, is bootstrap.yaml. UPDATE_GOLDENS=1 writes the outputs and deletes what no
 * case makes. The same resources, with real certificates, must be accepted by the real `envoy --mode validate`.
 *
 * SLUICE_ENVOY: path of Envoy; ENVOY_DYNAMIC_MODULES_SEARCH_PATH: folder of libsluice.so.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { planOf } from '../../xds-server/pure/plan/plan-of.js';
import { bootstrap } from '../../xds-server/pure/snapshot/bootstrap.js';
import { buildSnapshot } from '../../xds-server/pure/snapshot/build.js';
import { Encoder } from '../../xds-server/pure/snapshot/encoder.js';
import { type JsonObject, protoJson } from '../../xds-server/pure/snapshot/proto-json.js';
import { TypeUrl } from '../../xds-server/pure/snapshot/snapshot.js';
import { parseSpec } from '../../xds-server/pure/spec/parse-spec.js';
import { renderProblem } from '../../xds-server/pure/spec/problem.js';
import { referencedFiles } from '../../xds-server/pure/spec/referenced-files.js';
import { EnvoyApi } from '../../xds-server/shells/envoy-api/envoy-api.js';

const here = import.meta.dirname;
const top = path.resolve(here, '../..');
const envoy = process.env.SLUICE_ENVOY ?? path.join(top, 'build/bin/envoy');
const modules = process.env.ENVOY_DYNAMIC_MODULES_SEARCH_PATH ?? path.join(top, 'filters/target/release');
const update = process.env.UPDATE_GOLDENS === '1';

const encoder = new Encoder(EnvoyApi.load().root);
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const own = new Set(['golden.test.ts', 'bootstrap.yaml', 'bootstrap-several-brains.yaml']);
const cases = readdirSync(here).filter((name) => existsSync(path.join(here, name, 'spec.yaml')));

/** Resources by kind and name, as a node reads them. */
type Resources = Record<keyof typeof TypeUrl, Record<string, JsonObject>>;

function resourcesOf(name: string, contentOf: (file: string) => Uint8Array): Resources {
  const parsed = parseSpec(readFileSync(path.join(here, name, 'spec.yaml'), 'utf8'));
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.problems.map(renderProblem).join('\n'));
  const files = new Map(referencedFiles(parsed.spec).map(({ path: file }) => [file, contentOf(file)]));
  const { sets } = buildSnapshot(planOf(parsed.spec), files, encoder, hash);
  const kinds = Object.entries(TypeUrl).map(([kind, url]) => {
    const { resources } = sets.get(url)!;
    const type = url.slice(url.indexOf('/') + 1);
    return [
      kind,
      Object.fromEntries(
        [...resources].map(([key, { bytes }]) => [key, protoJson(encoder.root, type, bytes)]),
      ),
    ];
  });
  return Object.fromEntries(kinds) as Resources;
}

function expectGolden(file: string, value: unknown): void {
  const text = stringify(value, { lineWidth: 0 });
  if (update) writeFileSync(file, text);
  assert.ok(existsSync(file), `${file} is missing; UPDATE_GOLDENS=1 writes it`);
  assert.equal(readFileSync(file, 'utf8'), text);
}

for (const name of cases)
  test(`${name}: the resources are those of the golden`, () => {
    // In place of a file's content stands its name.
    const resources = resourcesOf(name, (file) => new TextEncoder().encode(`content of ${file}`));
    const readable = JSON.stringify(resources).replaceAll(
      /"inline_bytes":"([^"]*)"/g,
      (_, base64: string) => `"inline_bytes":"${Buffer.from(base64, 'base64')}"`,
    );
    expectGolden(path.join(here, name, 'resources.yaml'), JSON.parse(readable));
  });

const nodeOptions = {
  node: 'node-1',
  xds: [{ host: '127.0.0.1', port: 18000 }],
  admin: { host: '127.0.0.1', port: 19000 },
};

test('the bootstrap is that of the golden', () => {
  expectGolden(path.join(here, 'bootstrap.yaml'), bootstrap(nodeOptions, encoder));
});

/** As an operator would write it down: one brain a machine, by name. */
const severalBrains = {
  node: 'node-1',
  xds: ['one', 'two', 'three'].map((name) => ({ host: `${name}.example.com`, port: 18000 })),
  tls: {
    secrets: { certificate: '/etc/envoy/certificate.yaml', ca: '/etc/envoy/ca.yaml' },
    serverNames: ['one.example.com', 'two.example.com', 'three.example.com'],
  },
};

test('the bootstrap for several brains is that of the golden', () => {
  expectGolden(path.join(here, 'bootstrap-several-brains.yaml'), bootstrap(severalBrains, encoder));
});

test('no golden is left of a case that has gone', () => {
  const orphans = readdirSync(here).flatMap((name) => {
    if (own.has(name)) return [];
    if (!cases.includes(name)) return [name];
    const files = readdirSync(path.join(here, name)).filter(
      (file) => !['spec.yaml', 'resources.yaml'].includes(file),
    );
    return files.map((file) => path.join(name, file));
  });
  if (update) for (const orphan of orphans.splice(0)) rmSync(path.join(here, orphan), { recursive: true });
  assert.deepEqual(orphans, []);
});

let scratch: string;
const pem = new Map<string, Uint8Array>();

before(() => {
  scratch = mkdtempSync(path.join(tmpdir(), 'sluice-golden-'));
  const [chain, key] = ['front.pem', 'front.key'].map((name) => path.join(scratch, name)) as [string, string];
  const request = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
  ];
  execFileSync('openssl', [...request, '-subj', '/CN=golden', '-keyout', key, '-out', chain], {
    stdio: 'ignore',
  });
  pem.set('.pem', readFileSync(chain)).set('.key', readFileSync(key));
});

after(() => rmSync(scratch, { recursive: true, force: true }));

/** The bootstrap with a case's resources as static ones, and a listener that loads each of its secrets. */
function staticBootstrap(name: string): object {
  const { cluster, listener, secret, runtime } = resourcesOf(
    name,
    (file) => pem.get(path.extname(file)) ?? new TextEncoder().encode('unused'),
  );
  const node = bootstrap(nodeOptions, encoder) as { static_resources: { clusters: JsonObject[] } };
  const secrets = Object.values(secret);
  return {
    ...node,
    layered_runtime: {
      layers: Object.values(runtime).map(({ layer }) => ({ name: 'sluice', static_layer: layer })),
    },
    static_resources: {
      clusters: [...node.static_resources.clusters, ...Object.values(cluster)],
      listeners: [...Object.values(listener), secretListener(secrets)],
      secrets,
    },
  };
}

/** Envoy looks into a secret only where a transport socket uses it. */
function secretListener(secrets: readonly JsonObject[]): object {
  const chains = secrets.map(({ name, tls_certificate: isCertificate }, i) => {
    const config = { name };
    const context = isCertificate
      ? { tls_certificate_sds_secret_configs: [config] }
      : {
          validation_context_sds_secret_config: config,
          tls_certificate_sds_secret_configs: [{ name: secrets[0]!.name }],
        };
    return {
      filter_chain_match: { server_names: [`secret-${i}.example.com`] },
      filters: [
        {
          name: 'tcp',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
            stat_prefix: 'secrets',
            cluster: 'sluice_xds',
          },
        },
      ],
      transport_socket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
          common_tls_context: context,
        },
      },
    };
  });
  return {
    name: 'secrets',
    address: { socket_address: { address: '127.0.0.1', port_value: 18443 } },
    listener_filters: [
      {
        name: 'envoy.filters.listener.tls_inspector',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
        },
      },
    ],
    filter_chains: chains,
  };
}

async function validate(config: object, name: string): Promise<string> {
  assert.ok(
    existsSync(path.join(modules, 'libsluice.so')),
    `expected libsluice.so in ${modules}: build filters/ first`,
  );
  const file = path.join(scratch, `${name}.json`);
  writeFileSync(file, JSON.stringify(config));
  const run = promisify(execFile)(envoy, ['--mode', 'validate', '-l', 'warning', '-c', file], {
    env: { ...process.env, ENVOY_DYNAMIC_MODULES_SEARCH_PATH: modules },
    timeout: 60_000,
  });
  const { stdout, stderr } = await run.catch((error: Error & { stderr?: string }) =>
    assert.fail(error.stderr ?? error.message),
  );
  return stdout + stderr;
}

for (const name of cases)
  test(`${name}: the real Envoy accepts the resources`, async () => {
    assert.match(await validate(staticBootstrap(name), name), /configuration .* OK/);
  });

test('the real Envoy accepts the bootstrap', async () => {
  assert.match(await validate(bootstrap(nodeOptions, encoder), 'bootstrap'), /configuration .* OK/);
});

test('the real Envoy accepts the bootstrap for several brains', async () => {
  const xds = ['127.0.0.1', '127.0.0.2'].map((host) => ({ host, port: 18000 }));
  assert.match(await validate(bootstrap({ ...nodeOptions, xds }, encoder), 'brains'), /configuration .* OK/);
});

test('the real Envoy would refuse resources that are wrong', async () => {
  const wrong = structuredClone(staticBootstrap('minimal')) as {
    static_resources: { secrets: { name: string }[] };
  };
  wrong.static_resources.secrets[0]!.name = 'other';
  await assert.rejects(validate(wrong, 'wrong'), /Unknown static secret/);
});
