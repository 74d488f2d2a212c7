/**
 * Set-up step: turns the pinned APIs of others (protos/<name>/Cargo.lock) and our own (protos/sluice) into what the brain
 * loads.
 *
 *   build/<name>/api.json   every message and service below the roots, one descriptor tree
 *   build/<name>/types/     of others' TypeScript types of the same, so that a misspelt field does not compile
 *
 * Prints nothing and does nothing where both are newer than what they are made from.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import protobuf from 'protobufjs';

const top = path.resolve(import.meta.dirname, '..');

interface Api {
  /** Of the folder with the pin, and of what is made. */
  readonly name: string;
  readonly roots: readonly string[];
  /** Absent: our own, whose words are read as TypeScript writes them. */
  readonly pinned?: {
    readonly crate: string;
    /** Folders of the crate that hold .proto files, each the root of its own import paths. */
    readonly includes: readonly string[];
    /** What a 64-bit number becomes. */
    readonly longs: 'Number' | 'String';
  };
}

const apis: readonly Api[] = [
  {
    name: 'envoy-api',
    roots: JSON.parse(readFileSync(path.join(top, 'protos/roots.json'), 'utf8')) as string[],
    pinned: {
      crate: 'envoy-types',
      includes: [
        'proto/data-plane-api',
        'proto/googleapis',
        'proto/protoc-gen-validate',
        'proto/xds',
        'proto/cel-spec/proto',
        'proto/opentelemetry-proto',
        'proto/client_model',
      ],
      longs: 'Number',
    },
  },
  {
    name: 'etcd-api',
    roots: ['rpc.proto'],
    // Ids of leases need all 64 bits.
    pinned: { crate: 'etcd-client', includes: ['proto'], longs: 'String' },
  },
  { name: 'sluice-api', roots: ['sluice/v1/brains.proto'] },
];

const outOf = ({ name }: Api): string => path.join(top, 'build', name);
const treeOf = (api: Api): string => path.join(outOf(api), 'api.json');

function crateFolder(name: string, crate: string): string {
  const manifest = path.join(top, 'protos', name, 'Cargo.toml');
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
  const found = packages.find((p) => p.name === crate);
  if (!found) throw new Error(`protos/${name}/Cargo.lock: expected the crate ${crate}, found none`);
  return path.dirname(found.manifest_path);
}

function isFresh(api: Api): boolean {
  if (!existsSync(treeOf(api))) return false;
  const built = statSync(treeOf(api)).mtimeMs;
  const sources = api.pinned
    ? [`protos/${api.name}/Cargo.lock`, 'protos/roots.json']
    : api.roots.map((file) => `protos/${file}`);
  return [...sources, 'protos/build.ts'].every((file) => statSync(path.join(top, file)).mtimeMs <= built);
}

function build(api: Api): void {
  const { name, roots, pinned } = api;
  const crate = pinned && crateFolder(name, pinned.crate);
  const includes = [
    ...(pinned ? pinned.includes.map((folder) => path.join(crate!, folder)) : [path.join(top, 'protos')]),
    // It holds google/protobuf/descriptor.proto.
    path.join(top, 'node_modules/protobufjs'),
  ];

  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => {
    if (path.isAbsolute(target)) return target;
    const folder = includes.find((dir) => existsSync(path.join(dir, target)));
    // The rest is bundled with protobufjs under this very name (google/protobuf/struct.proto …).
    return folder ? path.join(folder, target) : target;
  };
  root.loadSync([...roots], { keepCase: pinned !== undefined });
  root.resolveAll();

  const out = outOf(api);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  if (pinned) writeTypes(path.join(out, 'types'), includes, roots, pinned.longs);
  // Written last: its presence says that the whole step was done.
  writeFileSync(treeOf(api), JSON.stringify(root.toJSON()));
}

function writeTypes(
  folder: string,
  includes: readonly string[],
  roots: readonly string[],
  longs: string,
): void {
  execFileSync(
    path.join(top, 'node_modules/.bin/proto-loader-gen-types'),
    [
      ...includes.map((dir) => `--includeDirs=${dir}`),
      `--outDir=${folder}`,
      '--grpcLib=@grpc/grpc-js',
      '--keepCase',
      `--longs=${longs}`,
      '--enums=String',
      '--importFileExtension=.js',
      '--targetFileExtension=.d.ts',
      ...roots,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
}

for (const api of apis) if (!isFresh(api)) build(api);
