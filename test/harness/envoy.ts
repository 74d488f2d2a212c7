/** A real Envoy with the filters of this project, started with the bootstrap that the project itself makes. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  type BootstrapTls,
  bootstrap,
  bootstrapSecrets,
  type HostPort,
} from '../../xds-server/pure/snapshot/bootstrap.js';
import { Encoder } from '../../xds-server/pure/snapshot/encoder.js';
import { EnvoyApi } from '../../xds-server/shells/envoy-api/envoy-api.js';
import { brainName, type ChannelCertificates } from './channel-certificates.js';
import { Child } from './child.js';
import { getJson } from './http.js';
import { listeningSockets } from './listening.js';
import { ownAddress, ownPort } from './own-address.js';
import { scratchFolder } from './scratch.js';
import { waitUntil } from './wait-until.js';

const encoder = new Encoder(EnvoyApi.load().root);

const top = path.resolve(import.meta.dirname, '../..');

export interface EnvoyOptions {
  readonly node: string;
  /** Where brains serve. */
  readonly xds: HostPort | readonly HostPort[];
  /** What the node and the brain know each other by; plaintext without it. */
  readonly channel?: ChannelCertificates | undefined;
  /** Worker threads; 2 unless said otherwise, so that limits are shared between some. */
  readonly workers?: number;
}

interface Histogram {
  readonly totals: readonly { readonly lower_bound: number; readonly count: number }[];
}

export class Envoy {
  readonly #child: Child;
  readonly #admin: string;

  private constructor(child: Child, admin: string) {
    this.#child = child;
    this.#admin = admin;
  }

  /** Resolves when it runs; what it has been told by then is for `waitForListener`. */
  static async start({ node, xds, channel, workers = 2 }: EnvoyOptions): Promise<Envoy> {
    const folder = scratchFolder(`envoy-${node}`);
    const admin = { host: ownAddress, port: await ownPort() };
    const file = path.join(folder, 'bootstrap.json');
    const tls = channel && (await tlsOf(channel, node, folder));
    writeFileSync(
      file,
      JSON.stringify(
        bootstrap({ node, xds: 'host' in xds ? [xds] : xds, admin, ...(tls && { tls }) }, encoder),
      ),
    );
    const child = await Child.start({
      title: `Envoy ${node}`,
      command: path.join(top, 'build/bin/envoy'),
      args: [
        ...['--config-path', file, '--concurrency', String(workers), '--disable-hot-restart'],
        // Its first words at level info are the thousand extensions that it has.
        ...['--log-level', 'warning', '--component-log-level', 'config:info,dynamic_modules:debug'],
      ],
      logFile: path.join(folder, 'log'),
      env: { ENVOY_DYNAMIC_MODULES_SEARCH_PATH: path.join(top, 'filters/target/release') },
    });
    const envoy = new Envoy(child, `http://${admin.host}:${admin.port}`);
    await waitUntil(`Envoy ${node} answers on its admin interface`, async () => {
      child.assertRunning();
      return await envoy.stats('^server.live$');
    });
    return envoy;
  }

  /** Until a client could connect to this listener. */
  async waitForListener(name: string): Promise<void> {
    await waitUntil(`Envoy listens on ${name}`, async () => {
      this.#child.assertRunning();
      const { listener_statuses = [] } = await this.#get<{ listener_statuses?: { name: string }[] }>(
        '/listeners?format=json',
      );
      return listener_statuses.some((status) => status.name === name);
    });
  }

  /** No client connects here any more; those that are connected stay. */
  async stopListening(): Promise<void> {
    const response = await fetch(`${this.#admin}/drain_listeners`, { method: 'POST' });
    if (!response.ok) throw new Error(`Envoy does not stop listening: ${await response.text()}`);
    // Its workers close their sockets later, and reset who has come to these meanwhile.
    await waitUntil('it listens on its admin address alone', () => listeningSockets(this.pid) === 1);
  }

  /** Counters and gauges whose name matches a regular expression (Envoy's own syntax), by name. */
  async stats(pattern: string): Promise<Readonly<Record<string, number>>> {
    const { stats } = await this.#get<{ stats: { name?: string; value?: number }[] }>(
      `/stats?format=json&filter=${encodeURIComponent(pattern)}`,
    );
    // Histograms come without a name.
    const entries = stats.flatMap(({ name, value }) =>
      name === undefined ? [] : [[name, value ?? 0] as const],
    );
    return Object.fromEntries(entries);
  }

  /** One counter or gauge; 0 when Envoy has not made it yet. */
  async stat(name: string): Promise<number> {
    const stats = await this.stats(`^${name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`);
    return stats[name] ?? 0;
  }

  /** How often each value was recorded since the start, as of Envoy's last flush (each 5 s); the value is a bin's lower end. */
  async histogram(name: string): Promise<ReadonlyMap<number, number>> {
    const pattern = `^${name.replaceAll('.', '\\.')}$`;
    const { stats } = await this.#get<{ stats: { histograms?: { details: Histogram[] } }[] }>(
      `/stats?format=json&histogram_buckets=detailed&filter=${encodeURIComponent(pattern)}`,
    );
    const [histogram] = stats.flatMap(({ histograms }) => histograms?.details ?? []);
    return new Map(histogram?.totals.map((bin) => [bin.lower_bound, bin.count]));
  }

  /** Bytes of its heap that are in use now (the statistic of it is some seconds old). */
  async heapBytes(): Promise<number> {
    const { allocated } = await this.#get<{ allocated: string }>('/memory');
    return Number(allocated);
  }

  /** Names of the clusters it knows. */
  async clusters(): Promise<readonly string[]> {
    const { cluster_statuses = [] } = await this.#get<{ cluster_statuses?: { name: string }[] }>(
      '/clusters?format=json',
    );
    return cluster_statuses.map(({ name }) => name);
  }

  /** What the breaker of a service holds it to, wherever it leads; undefined: there is none. */
  async limitOf(service: string): Promise<string | undefined> {
    const { entries } = await this.#get<{ entries: Record<string, { final_value: string }> }>('/runtime');
    const isIts = (key: string): boolean =>
      key.startsWith(`circuit_breakers.service/${service}/`) && key.endsWith('.default.max_connections');
    return entries[Object.keys(entries).find(isIts) ?? '']?.final_value;
  }

  async #get<T>(resource: string): Promise<T> {
    return getJson<T>(`${this.#admin}${resource}`);
  }

  get log(): string {
    return this.#child.log;
  }

  get pid(): number {
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#child.isRunning;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.signal(signal);
  }

  /** SIGKILL: its connections are reset, and it reports nothing. */
  async kill(): Promise<void> {
    await this.#child.kill();
  }

  async stop(): Promise<void> {
    await this.#child.stop();
  }
}

async function tlsOf(channel: ChannelCertificates, node: string, folder: string): Promise<BootstrapTls> {
  const documents = bootstrapSecrets(await channel.node(node), encoder);
  const secrets = { certificate: path.join(folder, 'certificate.json'), ca: path.join(folder, 'ca.json') };
  writeFileSync(secrets.certificate, JSON.stringify(documents.certificate));
  writeFileSync(secrets.ca, JSON.stringify(documents.ca));
  return { secrets, serverNames: [brainName] };
}
