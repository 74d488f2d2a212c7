/**
 * How fast a snapshot is on every node, and what the nodes cost: publish → all ACKs over real gRPC (loopback, no TLS).
 * The server is this process, all nodes are one other process that reads nothing of a response but its nonce: the
 * figures are the server's, and an upper bound of it, since both share the machine.
 *
 *   node --expose-gc --import tsx test/bench/xds-fanout.ts [STREAMS] [CLUSTERS] [delta|sotw]
 */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { availableParallelism, cpus } from 'node:os';
import { credentials, Metadata, type MethodDefinition, makeClientConstructor } from '@grpc/grpc-js';
import pino from 'pino';
import protobuf from 'protobufjs';
import { Encoder } from '../../xds-server/pure/snapshot/encoder.js';
import {
  type Resource,
  type ResourceSet,
  type Snapshot,
  TypeUrl,
} from '../../xds-server/pure/snapshot/snapshot.js';
import type { Variant } from '../../xds-server/pure/subscription/exchange.js';
import { Channel } from '../../xds-server/shells/channel/channel.js';
import { EnvoyApi } from '../../xds-server/shells/envoy-api/envoy-api.js';
import { XdsServer } from '../../xds-server/shells/xds/xds-server.js';

const streams = Number(process.argv[2] ?? 100);
const clusters = Number(process.argv[3] ?? 1000);
const variant = (process.argv[4] ?? 'delta') as Variant;
const service = 'envoy.service.discovery.v3.AggregatedDiscoveryService';
const method = variant === 'delta' ? 'DeltaAggregatedResources' : 'StreamAggregatedResources';
const names = Array.from({ length: clusters }, (_, index) => `service/tenant-${index % 50}-service-${index}`);

/** Field numbers of requests and responses: discovery.proto. */
const fields = {
  delta: { node: 1, typeUrl: 2, names: 3, nonce: 6 },
  sotw: { node: 2, typeUrl: 4, names: 3, nonce: 5 },
} as const;

function request(typeUrl: string, { node = '', nonce = '', ask = [] as readonly string[] }): Uint8Array {
  const of = fields[variant];
  const writer = protobuf.Writer.create();
  const text = (field: number, value: string) => writer.uint32((field << 3) | 2).string(value);
  if (node)
    writer
      .uint32((of.node << 3) | 2)
      .fork()
      .uint32(10)
      .string(node)
      .ldelim();
  text(of.typeUrl, typeUrl);
  for (const name of ask) text(of.names, name);
  if (nonce) text(of.nonce, nonce);
  return writer.finish();
}

function readResponse(bytes: Buffer): { typeUrl: string; nonce: string } {
  const reader = protobuf.Reader.create(bytes);
  const found = { typeUrl: '', nonce: '' };
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag >>> 3 === 4) found.typeUrl = reader.string();
    else if (tag >>> 3 === 5) found.nonce = reader.string();
    else reader.skipType(tag & 7);
  }
  return found;
}

function runNodes(port: number): void {
  const same = (bytes: Buffer): Buffer => bytes;
  const definition: MethodDefinition<Uint8Array, Buffer> = {
    path: `/${service}/${method}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: (bytes) => Buffer.from(bytes),
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  const Client = makeClientConstructor({ stream: definition }, service);
  for (let index = 0; index < streams; index++) {
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
    });
    const headers = new Metadata();
    headers.set('x-sluice-node', `node-${index}`);
    const call = client.stream!(headers);
    // In SotW each request carries the whole list, ACKs too.
    const asked = (typeUrl: string) => (variant === 'sotw' && typeUrl === TypeUrl.endpoints ? names : []);
    call.on('error', () => {});
    call.on('data', (bytes: Buffer) => {
      const { typeUrl, nonce } = readResponse(bytes);
      call.write(request(typeUrl, { nonce, ask: asked(typeUrl) }));
    });
    call.write(request(TypeUrl.cluster, { node: `node-${index}` }));
    call.write(request(TypeUrl.endpoints, { ask: names }));
  }
}

class Bench {
  readonly #encoder = new Encoder(EnvoyApi.load().root);
  readonly #waiting = new Map<string, { left: number; done: () => void }>();
  readonly #server: XdsServer;
  #snapshots = 0;

  constructor() {
    this.#server = new XdsServer({
      api: EnvoyApi.load(),
      log: pino({ level: 'silent' }),
      onConverged: (_node, version) => {
        const waiting = this.#waiting.get(version);
        if (!waiting) return;
        waiting.left -= 1;
        if (waiting.left === 0) waiting.done();
      },
    });
  }

  async run(): Promise<void> {
    const channel = await Channel.listen({
      host: '127.0.0.1',
      port: 0,
      methods: this.#server.methods,
      log: pino({ level: 'silent' }),
      exhausted: () => undefined,
      refused: () => undefined,
    });
    const { port } = channel;
    const revisions = names.map(() => 1);
    let snapshot = this.#snapshotOf(revisions, 0);
    this.#server.publish(snapshot);
    const bytes = [...snapshot.sets.values()].flatMap((set) => [...set.resources.values()]);
    const size = bytes.reduce((sum, resource) => sum + resource.bytes.length, 0);
    const before = await memory();

    print(
      `${streams} ${variant} streams × ${clusters} clusters and as many endpoints, ${megabytes(size)} of resources`,
    );
    print(`Node ${process.version}, ${availableParallelism()} × ${cpus()[0]?.model}\n`);
    const nodes = fork(import.meta.filename, process.argv.slice(2), {
      env: { ...process.env, SLUICE_BENCH_PORT: String(port) },
    });
    try {
      await this.#measure('connect, all resources to all nodes', snapshot, () => {});
      const held = (await memory()) - before;
      for (let round = 0; round < 5; round++) {
        revisions[round] = 2 + round;
        snapshot = this.#snapshotOf(revisions, 0);
        await this.#measure('one endpoint changes', snapshot);
      }
      for (let round = 0; round < 3; round++) {
        snapshot = this.#snapshotOf(revisions, 1 + round);
        await this.#measure('every cluster changes (endpoints go again)', snapshot);
      }
      print(
        `\nserver memory for the streams after the first push: ${megabytes(held)}, ${(held / streams / 1024).toFixed(0)} KiB a stream`,
      );
      print(
        `after all of it: ${megabytes((await memory()) - before)}; resident ${megabytes(process.memoryUsage().rss)}`,
      );
    } finally {
      nodes.kill();
      await once(nodes, 'exit');
      this.#server.close();
      channel.destroy();
    }
  }

  async #measure(
    what: string,
    snapshot: Snapshot,
    begin = () => this.#server.publish(snapshot),
  ): Promise<void> {
    const cpu = process.cpuUsage();
    const started = performance.now();
    const all = new Promise<void>((done) => this.#waiting.set(snapshot.version, { left: streams, done }));
    begin();
    const blocked = performance.now() - started;
    await all;
    const took = performance.now() - started;
    const used = process.cpuUsage(cpu);
    print(
      `${what.padEnd(44)} ${took.toFixed(1).padStart(8)} ms to all ACKs, server CPU ${((used.user + used.system) / 1000).toFixed(1).padStart(8)} ms, publish() returned after ${blocked.toFixed(1)} ms`,
    );
  }

  #snapshotOf(ports: readonly number[], revision: number): Snapshot {
    this.#snapshots += 1;
    const of = (typeUrl: TypeUrl, message: (name: string, index: number) => object): ResourceSet => {
      const resources = names.map((name, index): Resource => {
        const bytes = this.#encoder.encode(typeUrl.slice(typeUrl.indexOf('/') + 1), message(name, index));
        return {
          name,
          version: createHash('sha256').update(bytes).digest('hex'),
          bytes,
          owner: `services.${name}`,
        };
      });
      const version = createHash('sha256')
        .update(resources.map((each) => each.version).join())
        .digest('hex');
      return { version, resources: new Map(resources.map((each) => [each.name, each])) };
    };
    const cluster = of(TypeUrl.cluster, (name) => ({
      name,
      type: 'EDS',
      eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
      connect_timeout: { seconds: 2 + revision },
      lb_policy: 'LEAST_REQUEST',
      circuit_breakers: {
        thresholds: [{ max_connections: { value: 1024 }, max_pending_requests: { value: 1024 } }],
      },
      per_connection_buffer_limit_bytes: { value: 32_768 },
    }));
    const endpoints = of(TypeUrl.endpoints, (name, index) => ({
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: [
            {
              endpoint: {
                address: { socket_address: { address: '10.0.0.5', port_value: 5000 + ports[index]! } },
              },
            },
          ],
        },
      ],
    }));
    return {
      version: String(this.#snapshots),
      sets: new Map([
        [TypeUrl.cluster, cluster],
        [TypeUrl.endpoints, endpoints],
      ]),
    };
  }
}

/** What is still referenced: a buffer goes only in the collection after that of its owner. */
async function memory(): Promise<number> {
  for (let round = 0; round < 4; round++) {
    global.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const megabytes = (bytes: number): string => `${(bytes / (1 << 20)).toFixed(1)} MiB`;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const port = process.env.SLUICE_BENCH_PORT;
if (port) runNodes(Number(port));
else await new Bench().run();
