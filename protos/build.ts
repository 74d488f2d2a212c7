/**
 * Set-up step: turns the pinned Envoy API (protos/envoy-api/Cargo.lock) into what the brain loads.
 *
 *   build/envoy-api/api.json   every message and service below protos/roots.json, one descriptor tree
 *   build/envoy-api/types/     TypeScript types of the same, so that a misspelt field does not compile
 *
 * Prints nothing and does nothing when both are newer than the pin and the list of roots.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import protobuf from 'protobufjs';

const top = path.resolve(import.meta.dirname, '..');
const out = path.join(top, 'build/envoy-api');
const inputs = ['protos/envoy-api/Cargo.lock', 'protos/roots.json', 'protos/build.ts'].map((f) =>
  path.join(top, f),
);
const api = path.join(out, 'api.json');

/** Folders of the crate that hold .proto files, each the root of its own import paths. */
const includeFolders = [
  'data-plane-api',
  'googleapis',
  'protoc-gen-validate',
  'xds',
  'cel-spec/proto',
  'opentelemetry-proto',
  'client_model',
];

function crateFolder(): string {
  const manifest = path.join(top, 'protos/envoy-api/Cargo.toml');
  const json = execFileSync(
    'cargo',
    ['metadata', '--locked', '--format-version=1', '--manifest-path', manifest],
    {
      encoding: 'utf8',
      maxBuffer: 64 << 20,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const packages = (JSON.parse(json) as { packages: { name: string; manifest_path: string }[] }).packages;
  const found = packages.find((p) => p.name === 'envoy-types');
  if (!found) throw new Error('protos/envoy-api/Cargo.lock: expected the crate envoy-types, found none');
  return path.dirname(found.manifest_path);
}

function isFresh(): boolean {
  if (!existsSync(api)) return false;
  const built = statSync(api).mtimeMs;
  return inputs.every((file) => statSync(file).mtimeMs <= built);
}

function build(): void {
  const protos = path.join(crateFolder(), 'proto');
  // The last one holds google/protobuf/descriptor.proto.
  const includes = [
    ...includeFolders.map((f) => path.join(protos, f)),
    path.join(top, 'node_modules/protobufjs'),
  ];
  const roots = JSON.parse(readFileSync(path.join(top, 'protos/roots.json'), 'utf8')) as string[];

  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => {
    if (path.isAbsolute(target)) return target;
    const folder = includes.find((dir) => existsSync(path.join(dir, target)));
    // The rest is bundled with protobufjs under this very name (google/protobuf/struct.proto …).
    return folder ? path.join(folder, target) : target;
  };
  root.loadSync(roots, { keepCase: true });
  root.resolveAll();

  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  execFileSync(
    path.join(top, 'node_modules/.bin/proto-loader-gen-types'),
    [
      ...includes.map((dir) => `--includeDirs=${dir}`),
      `--outDir=${path.join(out, 'types')}`,
      '--grpcLib=@grpc/grpc-js',
      '--keepCase',
      '--longs=Number',
      '--enums=String',
      '--importFileExtension=.js',
      '--targetFileExtension=.d.ts',
      ...roots,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  // Written last: its presence says that the whole step was done.
  writeFileSync(api, JSON.stringify(root.toJSON()));
}

if (!isFresh()) build();
