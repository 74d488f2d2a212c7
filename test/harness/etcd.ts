/** A real etcd, alone or as a cluster, with its data on the disk as in production. */
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Certificate } from './certificates.js';
import { Child } from './child.js';
import { ownAddress, ownPort } from './own-address.js';
import { scratchFolder } from './scratch.js';
import { waitUntil } from './wait-until.js';

export interface EtcdOptions {
  readonly members?: number;
  /** Clients speak TLS, and show a certificate of this CA where `clientCa` is given. */
  readonly tls?: { readonly certificate: Certificate; readonly clientCa?: string };
}

interface Place {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly healthPort: number;
}

/** One process. */
export class EtcdMember {
  readonly endpoint: string;
  readonly #healthUrl: string;
  readonly #args: readonly string[];
  readonly #folder: string;
  #child: Child | undefined;

  constructor(
    readonly url: string,
    healthUrl: string,
    args: readonly string[],
    folder: string,
  ) {
    this.#healthUrl = healthUrl;
    this.endpoint = url.replace(/^https?:\/\//, '');
    this.#args = args;
    this.#folder = folder;
  }

  get pid(): number {
    return this.#child!.pid;
  }

  get log(): string {
    return this.#child?.log ?? '';
  }

  /** Resolves when it accepts clients; again with the same data after it was killed or stopped. */
  async start(): Promise<void> {
    this.#child = await Child.start({
      title: `etcd ${this.endpoint}`,
      command: 'etcd',
      args: this.#args,
      logFile: path.join(this.#folder, 'log'),
    });
    await this.untilHealthy();
  }

  /** Until it serves clients as one of a majority. */
  async untilHealthy(): Promise<void> {
    await waitUntil('etcd has a leader', async () => {
      this.#child!.assertRunning();
      const answer = await fetch(`${this.#healthUrl}/health`).catch(() => undefined);
      return answer?.ok;
    });
  }

  /** After it was killed: all it had is gone, and its revisions begin anew. */
  forgetEverything(): void {
    rmSync(path.join(this.#folder, 'data'), { recursive: true });
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#child?.kill();
  }

  async stop(): Promise<void> {
    await this.#child?.stop();
  }

  /** What happened before this revision is forgotten. */
  async compact(revision: number): Promise<void> {
    const response = await fetch(`${this.url}/v3/kv/compaction`, {
      method: 'POST',
      body: JSON.stringify({ revision: String(revision), physical: true }),
    });
    if (!response.ok) throw new Error(`etcd: compaction: ${response.status} ${await response.text()}`);
  }

  /** From then on it answers nothing, and its connections stay open. */
  async pause(): Promise<void> {
    await this.#child!.standStill();
  }

  resume(): void {
    this.#child!.signal('SIGCONT');
  }
}

export class Etcd {
  /** Where all members listen. */
  static readonly host = ownAddress;
  readonly members: readonly EtcdMember[];

  private constructor(members: readonly EtcdMember[]) {
    this.members = members;
  }

  /** Resolves when every member answers. */
  static async start({ members = 1, tls }: EtcdOptions = {}): Promise<Etcd> {
    const folder = scratchFolder('etcd');
    const places: Place[] = [];
    for (let index = 0; index < members; index += 1)
      places.push({
        name: `m${index}`,
        clientPort: await ownPort(),
        peerPort: await ownPort(),
        healthPort: await ownPort(),
      });
    const peers = places.map(({ name, peerPort }) => `${name}=http://${ownAddress}:${peerPort}`).join(',');
    const started = places.map((place) => {
      const own = path.join(folder, place.name);
      mkdirSync(own, { mode: 0o700 });
      const url = `${tls ? 'https' : 'http'}://${ownAddress}:${place.clientPort}`;
      const peer = `http://${ownAddress}:${place.peerPort}`;
      const health = `http://${ownAddress}:${place.healthPort}`;
      const args = [
        `--name=${place.name}`,
        `--data-dir=${path.join(own, 'data')}`,
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        // Never TLS, whatever clients speak.
        `--listen-metrics-urls=${health}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=${peers}`,
        '--initial-cluster-token=sluice-test',
        '--logger=zap',
        '--log-level=warn',
        ...(tls ? [`--cert-file=${tls.certificate.chain}`, `--key-file=${tls.certificate.key}`] : []),
        ...(tls?.clientCa ? ['--client-cert-auth', `--trusted-ca-file=${tls.clientCa}`] : []),
      ];
      return new EtcdMember(url, health, args, own);
    });
    const etcd = new Etcd(started);
    await Promise.all(started.map((member) => member.start()));
    return etcd;
  }

  /** The first one, which is all of it unless more were asked for. */
  get member(): EtcdMember {
    return this.members[0]!;
  }

  get endpoints(): readonly string[] {
    return this.members.map(({ endpoint }) => endpoint);
  }

  /** As `--store etcd:` and `--etcd` take them. */
  get urls(): string {
    return this.members.map(({ url }) => url).join(',');
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
  }
}
