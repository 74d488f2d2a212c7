/**
 * How long a freed slot takes to reach the next waiter inside the brain: the real `sluice serve`, and a bare node that
 * speaks gRPC to it, so that neither Envoy nor a database is in the figure. From the writing of a session's end to the
 * arrival of the next waiter's answer, with as many clients waiting.
 *
 *   node --import tsx test/bench/turnover.ts [WAITING] [TURNS]     one JSON line
 */
import { randomBytes } from 'node:crypto';
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { Brain } from '../harness/brain.js';
import { Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import { Envoy } from '../harness/envoy.js';
import { clientOf } from '../harness/grpc-client.js';
import { ownAddress, ownPort } from '../harness/own-address.js';
import { runBuiltProgram } from '../harness/program.js';
import { protectedPostgres } from '../harness/protected-database.js';
import { hostnameOf } from '../harness/sluice.js';
import { SpecFile } from '../harness/spec-file.js';
import { waitUntil } from '../harness/wait-until.js';
import { percentile } from './statistics.js';

const waiting = Number(process.argv[2] ?? 1_000);
const turns = Number(process.argv[3] ?? 5_000);
const warmUp = 1_000;
const slots = 10;
const barMs = 5;
const service = 'checkout';
const node = 'edge-1';

/** Sends checks and ends as its Envoy would, which has none: it is there because a grant needs a node that has its clusters. */
class BareNode {
  // biome-ignore lint/suspicious/noExplicitAny: grpc-js gives its clients no better type
  readonly #authz: any;
  readonly #reports: { write(message: object): void };
  readonly #metadata = new Metadata();
  readonly #granted: string[] = [];
  #clients = 0;
  #isOver = false;
  #next: (() => void) | undefined;

  constructor(xds: { readonly host: string; readonly port: number }) {
    const address = `${xds.host}:${xds.port}`;
    this.#metadata.set('x-sluice-node', node);
    const [Authz, Logs] = ['auth.v3.Authorization', 'accesslog.v3.AccessLogService'].map((name) =>
      clientOf(`envoy.service.${name}`),
    );
    this.#authz = new Authz!(address, credentials.createInsecure());
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const logs: any = new Logs!(address, credentials.createInsecure());
    this.#reports = logs.StreamAccessLogs(this.#metadata, () => undefined);
  }

  /** One more client, each from an address of its own. */
  ask(): void {
    this.#check(hostnameOf(service), (connection, verdict) => {
      if (this.#isOver) return;
      if (verdict !== 'grant') throw new Error(`expected a grant, got ${verdict}`);
      this.#granted.push(connection);
      this.#next?.();
    });
  }

  /** A client whose answer waits for nobody. @returns milliseconds until he has it */
  async refused(): Promise<number> {
    const fromMs = performance.now();
    await new Promise<void>((resolve) => {
      this.#check(hostnameOf('nobody'), () => resolve());
    });
    return performance.now() - fromMs;
  }

  #check(sni: string, answered: (connection: string, verdict: string | undefined) => void): void {
    const connection = randomBytes(16).toString('hex');
    const n = this.#clients++;
    const address = `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
    const said = {
      connection: { stringValue: connection },
      listener: { stringValue: 'pg' },
      protocol: { stringValue: 'postgres' },
      user: { stringValue: 'ann' },
      database: { stringValue: 'orders' },
      born_unix_ms: { numberValue: Date.now() },
      age_ms: { numberValue: 0 },
      monotonic_ms: { numberValue: performance.now() },
    };
    const attributes = {
      source: { address: { socket_address: { address, port_value: 4711 } } },
      tls_session: { sni },
      metadata_context: { filter_metadata: { sluice: { fields: said } } },
    };
    this.#authz.Check({ attributes }, this.#metadata, (error: ServiceError | null, answer?: Answer) => {
      answered(connection, error ? error.message : answer!.dynamic_metadata.fields.verdict?.stringValue);
    });
  }

  /** The oldest session ends. @returns milliseconds until the next waiter has his answer */
  async turn(): Promise<number> {
    const connection = this.#granted.shift()!;
    const answered = new Promise<number>((resolve) => {
      this.#next = () => resolve(performance.now());
    });
    const fromMs = performance.now();
    this.#reports.write({ tcp_logs: { log_entry: [ended(connection)] } });
    const tookMs = (await answered) - fromMs;
    this.ask();
    return tookMs;
  }

  /** Whoever waits does not any more. */
  leave(): void {
    this.#isOver = true;
  }

  get granted(): number {
    return this.#granted.length;
  }
}

interface Answer {
  readonly dynamic_metadata: { readonly fields: Readonly<Record<string, { readonly stringValue?: string }>> };
}

/** After its login, by the server's own FIN: the slot is free at once. */
function ended(connection: string): object {
  const address = (port: number) => ({ socket_address: { address: '10.1.0.1', port_value: port } });
  return {
    common_properties: {
      access_log_type: 'TcpConnectionEnd',
      duration: { seconds: 1, nanos: 0 },
      upstream_cluster: `service/${service}`,
      upstream_local_address: address(4711),
      upstream_remote_address: address(5432),
      metadata: {
        filter_metadata: {
          sluice: {
            fields: {
              connection: { stringValue: connection },
              protocol: { stringValue: 'postgres' },
              login: { stringValue: 'ok' },
              server_closed: { boolValue: true },
            },
          },
          'envoy.filters.network.ext_authz': {
            fields: { verdict: { stringValue: 'grant' }, cluster: { stringValue: `service/${service}` } },
          },
        },
      },
    },
  };
}

runBuiltProgram();
try {
  const orders = await protectedPostgres('orders', { budget: slots, accounts: [], databases: [] });
  const certificate = await (await Certificates.create()).server('*.db.test');
  const file = new SpecFile({
    listeners: {
      pg: { protocol: 'postgres', address: `${ownAddress}:${await ownPort()}`, tls: { certificate } },
    },
    databases: { orders: orders.input },
    tenants: { test: {} },
    services: {
      [service]: {
        ...{
          hostname: hostnameOf(service),
          tenant: 'test',
          database: 'orders',
          allow: [{ cidr: '10.0.0.0/8' }],
        },
        ...{ max_connections: slots, max_queue: 2 * waiting, timeout_ms: 600_000 },
      },
    },
  });
  const brain = await Brain.start(file.path, { plaintext: true });
  const envoy = await Envoy.start({ node, xds: brain.xds });
  await envoy.waitForListener('pg');
  await brain.waitUntilReady();

  const bare = new BareNode(brain.xds);
  for (let i = 0; i < slots + waiting; i += 1) bare.ask();
  await waitUntil('the slots are given', () => bare.granted === slots);
  await brain.waitForWaiters(service, waiting);
  for (let i = 0; i < warmUp; i += 1) await bare.turn();
  const turnsMs: number[] = [];
  const refusalsMs: number[] = [];
  for (let i = 0; i < turns; i += 1) {
    turnsMs.push(await bare.turn());
    refusalsMs.push(await bare.refused());
  }
  bare.leave();
  const rounded = (ms: number) => Number(ms.toFixed(3));
  const at = (samples: readonly number[]) => ({
    p50_ms: rounded(percentile(samples, 0.5)),
    p99_ms: rounded(percentile(samples, 0.99)),
  });
  process.stdout.write(
    `${JSON.stringify({
      ...{ waiting, turns, slots, ...at(turnsMs) },
      ...{ bar_p99_ms: barMs, holds: percentile(turnsMs, 0.99) < barMs },
      // The same way there and back, in the same minute, with nothing to do in between: the machine's part.
      refused_at_once: at(refusalsMs),
    })}\n`,
  );
} finally {
  await stopEverything();
}
process.exit(0);
