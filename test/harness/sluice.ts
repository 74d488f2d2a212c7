/**
 * The whole of it, as an operator would run it: spec file, brain, one Envoy, in front of databases that the test has
 * started. `start` resolves when Envoy has acknowledged everything and clients can connect.
 */

import { Brain, type BrainOptions } from './brain.js';
import { type Certificate, Certificates } from './certificates.js';
import { Envoy } from './envoy.js';
import type { MariaDb } from './mariadb.js';
import type { MySql } from './mysql.js';
import { resolving } from './names.js';
import { ownAddress, ownPort } from './own-address.js';
import type { Postgres } from './postgres.js';
import type { Protected } from './protected-database.js';
import { sluiceCommand } from './sluice-command.js';
import { SpecFile, type SpecInput } from './spec-file.js';
import { waitUntil } from './wait-until.js';

type ServiceInput = NonNullable<SpecInput['services']>[string];
type ListenerInput = SpecInput['listeners'][string];

/** A service of a test: what is left out is a default that lets everybody in. */
export type ServiceOptions = Partial<ServiceInput> & Pick<ServiceInput, 'database' | 'max_connections'>;

export interface SluiceOptions {
  readonly databases: Readonly<Record<string, Protected<Postgres | MariaDb | MySql>>>;
  readonly services: Readonly<Record<string, ServiceOptions>>;
  readonly tenants?: SpecInput['tenants'];
  /** What the listeners `pg` and `mysql` say besides protocol, address and certificate. */
  readonly listeners?: {
    readonly pg?: Partial<ListenerInput>;
    readonly mysql?: Partial<ListenerInput>;
  };
  /** Ask for client certificates and verify them against the test's CA. */
  readonly clientCertificates?: boolean;
  /** Between brain and node; TLS unless said otherwise. */
  readonly plaintext?: boolean;
  /** Where the brain serves its node; an address of the test's own by default. */
  readonly xdsHost?: string;
  /** Where the brain finds the spec, which is applied there first; its file by default. */
  readonly store?: string;
  /** Where other brains are told to dial it. */
  readonly advertise?: NonNullable<BrainOptions['advertise']>;
  /** Of the brain, beside this process's own. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Host name of a service unless it names its own. */
export function hostnameOf(service: string): string {
  return `${service}.db.test`;
}

/** A name that the listeners' certificate covers and that is no service's. */
export const strangersHostname = hostnameOf('stranger');

export class Sluice {
  readonly certificates: Certificates;
  readonly brain: Brain;
  readonly envoy: Envoy;
  readonly file: SpecFile;
  /** Where clients connect, by protocol. */
  readonly ports: { readonly pg: number; readonly mysql: number };
  readonly host = ownAddress;
  /** Environment in which client programs find services by their names. */
  readonly clientEnvironment: Readonly<Record<string, string>>;

  private constructor(
    certificates: Certificates,
    brain: Brain,
    envoy: Envoy,
    file: SpecFile,
    ports: Sluice['ports'],
    clientEnvironment: Readonly<Record<string, string>>,
  ) {
    this.certificates = certificates;
    this.brain = brain;
    this.envoy = envoy;
    this.file = file;
    this.ports = ports;
    this.clientEnvironment = clientEnvironment;
  }

  static async start(options: SluiceOptions): Promise<Sluice> {
    const certificates = await Certificates.create();
    const certificate = await certificates.server('*.db.test');
    const ports = { pg: await ownPort(), mysql: await ownPort() };
    const file = new SpecFile(specOf(options, certificates, certificate, ports));
    if (options.store !== undefined) {
      const applied = await sluiceCommand('apply', file.path, '--store', options.store);
      if (applied.code !== 0) throw new Error(`sluice apply: ${applied.stdout}${applied.stderr}`);
    }
    const brain = await Brain.start(file.path, options);
    const envoy = await Envoy.start({ node: 'edge-1', xds: brain.xds, channel: brain.channel });
    for (const name of Object.keys(file.spec.listeners)) await envoy.waitForListener(name);
    const names = [...Object.keys(options.services).map(hostnameOf), strangersHostname];
    const clientEnvironment = resolving(Object.fromEntries(names.map((name) => [name, ownAddress])));
    const sluice = new Sluice(certificates, brain, envoy, file, ports, clientEnvironment);
    await sluice.waitUntilInSync();
    await brain.waitUntilReady();
    return sluice;
  }

  /** Changes the spec as an operator would and waits until the node has acknowledged what follows from it. */
  async change(edit: (spec: SpecInput) => void): Promise<void> {
    const before = (await this.brain.status()).spec.version;
    edit(this.file.spec);
    this.file.save();
    await waitUntil('the changed spec is in force', async () => {
      const { spec } = await this.brain.status();
      if (spec.problems.length > 0)
        throw new Error(`the spec is not taken: ${JSON.stringify(spec.problems)}`);
      return spec.version !== before;
    });
    await this.waitUntilInSync();
  }

  /** An entry for `services:`, with the defaults that `start` fills in. */
  service(name: string, options: ServiceOptions): ServiceInput {
    return serviceInput(name, options);
  }

  async waitUntilInSync(): Promise<void> {
    await waitUntil('the node has acknowledged everything', async () => {
      const { nodes } = await this.brain.status();
      return nodes.length > 0 && nodes.every((node) => node.convergence === 'converged');
    });
  }
}

function serviceInput(name: string, options: ServiceOptions): ServiceInput {
  return { hostname: hostnameOf(name), tenant: 'test', allow: [{ cidr: '127.0.0.0/8' }], ...options };
}

function specOf(
  { databases, services, tenants = { test: {} }, listeners = {}, clientCertificates = false }: SluiceOptions,
  certificates: Certificates,
  certificate: Certificate,
  ports: Sluice['ports'],
): SpecInput {
  const tls = { certificate, ...(clientCertificates && { client_ca: certificates.ca }) };
  const engines = new Set(Object.values(databases).map(({ input }) => input.engine));
  return {
    listeners: {
      ...(engines.has('postgres') && {
        pg: { protocol: 'postgres', address: `${ownAddress}:${ports.pg}`, tls, ...listeners.pg },
      }),
      ...((engines.has('mariadb') || engines.has('mysql')) && {
        mysql: { protocol: 'mysql', address: `${ownAddress}:${ports.mysql}`, tls, ...listeners.mysql },
      }),
    },
    databases: Object.fromEntries(Object.entries(databases).map(([name, { input }]) => [name, input])),
    tenants,
    services: Object.fromEntries(
      Object.entries(services).map(([name, service]) => [name, serviceInput(name, service)]),
    ),
  };
}
