/** The real `sluice serve`, as a process of its own. */
import path from 'node:path';
import { formatAddress } from '../../xds-server/pure/plan/address.js';
import type { Page, SessionStatus, Status, WaiterStatus } from '../../xds-server/pure/status/status.js';
import { ChannelCertificates, type ChannelFiles } from './channel-certificates.js';
import { Child } from './child.js';
import { getJson, getText } from './http.js';
import { ownAddress, ownPort, sharedPort } from './own-address.js';
import { sluiceProgram } from './program.js';
import { scratchFolder } from './scratch.js';
import { waitUntil } from './wait-until.js';

export class Brain {
  readonly #running: Running;
  readonly xds: { readonly host: string; readonly port: number };
  readonly admin: { readonly host: string; readonly port: number };
  /** What it and its nodes know each other by; undefined: plaintext. */
  readonly channel: ChannelCertificates | undefined;
  #child: Child;

  private constructor(running: Running, child: Child) {
    this.#running = running;
    this.xds = running.xds;
    this.admin = running.admin;
    this.channel = running.channel;
    this.#child = child;
  }

  /**
   * Resolves when it answers on its admin address.
   *
   * @param spec path of the spec file that it follows
   * @param options.store that it follows in place of the file
   * @param options.xdsHost where it serves nodes
   * @param options.beside a brain that the same nodes know
   */
  static async start(
    spec: string,
    {
      plaintext = false,
      xdsHost = ownAddress,
      beside,
      store,
      id = 'brain-1',
      advertise,
      env = {},
    }: BrainOptions = {},
  ): Promise<Brain> {
    const xds = { host: xdsHost, port: xdsHost === ownAddress ? await ownPort() : await sharedPort() };
    const admin = { host: ownAddress, port: await ownPort() };
    const logFile = path.join(scratchFolder('brain'), 'log');
    const channel = beside ? beside.channel : plaintext ? undefined : await ChannelCertificates.create();
    const isCandidate = store?.startsWith('etcd:') === true;
    const address = await advertise?.(xds);
    const candidacy = isCandidate
      ? ['--brain', id, ...(address ? ['--advertise', formatAddress(address)] : [])]
      : [];
    const place = store === undefined ? ['--spec', spec] : ['--store', store, ...candidacy];
    const files = isCandidate ? await channel?.brainNamed(id) : channel?.brain;
    const running = { place, logFile, env, xds, admin, channel, files };
    const brain = new Brain(running, await run(running));
    await brain.#waitUntilAlive();
    return brain;
  }

  /** Starts it again at the same addresses, after it was killed or stopped. */
  async startAgain(): Promise<void> {
    this.#child = await run(this.#running);
    await this.#waitUntilAlive();
  }

  async #waitUntilAlive(): Promise<void> {
    await waitUntil('the brain answers on its admin address', async () => {
      this.#child.assertRunning();
      return await getText(this.#url('/healthz'));
    });
  }

  /** Until it admits clients: it has counted what the databases had open before. */
  async waitUntilReady(): Promise<void> {
    await waitUntil('the brain is ready', async () => {
      this.#child.assertRunning();
      return await getText(this.#url('/readyz'));
    });
  }

  async status(): Promise<Status> {
    return getJson(this.#url('/status'));
  }

  /** The first 1000 connections that hold a slot. */
  async sessions(): Promise<Page<SessionStatus>> {
    return getJson(this.#url('/sessions?limit=1000'));
  }

  /** The first 1000 clients that wait, first in line first. */
  async waiting(): Promise<Page<WaiterStatus>> {
    return getJson(this.#url('/waiting?limit=1000'));
  }

  /** Prometheus text. */
  async metrics(): Promise<string> {
    return getText(this.#url('/metrics'));
  }

  #url(resource: string): string {
    return `http://${this.admin.host}:${this.admin.port}${resource}`;
  }

  /** Until this many clients of a service wait. */
  async waitForWaiters(service: string, count: number): Promise<void> {
    await waitUntil(`${count} clients of ${service} wait`, async () => {
      const { rows } = await this.waiting();
      return rows.filter((row) => row.service === service).length === count;
    });
  }

  /** Until this many slots of a service are taken, in whatever state. */
  async waitForTaken(service: string, count: number): Promise<void> {
    await waitUntil(
      `${count} slots of ${service} are taken`,
      async () => (await this.#taken(service)) === count,
    );
  }

  /**
   * Until a service holds no more slots than this. A database's own count does not tell: before 18 Postgres lists no
   * session that is still logging in.
   */
  async waitForAtMost(service: string, count: number): Promise<void> {
    await waitUntil(`${service} holds at most ${count} slots`, async () => {
      const taken = await this.#taken(service);
      return taken !== undefined && taken <= count;
    });
  }

  /** Undefined of a brain that does not lead: it does not count. */
  async #taken(service: string): Promise<number | undefined> {
    const { services } = await this.status();
    return services.find((row) => row.service === service)?.total ?? undefined;
  }

  get log(): string {
    return this.#child.log;
  }

  get pid(): number {
    return this.#child.pid;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.signal(signal);
  }

  /** SIGKILL: what a crash leaves behind. */
  async kill(): Promise<void> {
    await this.#child.kill();
  }

  async stop(): Promise<void> {
    await this.#child.stop();
  }
}

export interface BrainOptions {
  readonly plaintext?: boolean;
  readonly xdsHost?: string;
  readonly beside?: Brain;
  readonly store?: string | undefined;
  /** Of one of several brains on one etcd. */
  readonly id?: string;
  /** Where other brains are told to dial it, given where it serves; there unless said otherwise. */
  readonly advertise?: (xds: Brain['xds']) => Promise<Brain['xds']>;
  /** Beside this process's own. */
  readonly env?: Readonly<Record<string, string>>;
}

interface Running extends Pick<Brain, 'xds' | 'admin' | 'channel'> {
  /** Options that say where the spec is. */
  readonly place: readonly string[];
  readonly logFile: string;
  /** The brain's own; undefined: plaintext. */
  readonly files: ChannelFiles | undefined;
  readonly env: Readonly<Record<string, string>>;
}

function run({ place, logFile, xds, admin, files, env }: Running): Promise<Child> {
  const protection = files
    ? [...['--xds-certificate', files.certificate, '--xds-key', files.key], ...['--xds-client-ca', files.ca]]
    : ['--xds-plaintext'];
  return Child.start({
    title: 'brain',
    command: process.execPath,
    args: [
      ...[...sluiceProgram(), 'serve', ...place],
      ...['--xds', formatAddress(xds), '--admin', `${admin.host}:${admin.port}`],
      ...protection,
    ],
    logFile,
    env,
  });
}
