/**
 * What the drills are held on: one database that has room for not one session more than the budget, two Envoys of two
 * workers that share a port (the kernel deals clients out to them), and what has to be cut or killed between them.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Brain } from '../harness/brain.js';
import { Envoy } from '../harness/envoy.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import type { PostgresVersion } from '../harness/postgres-programs.js';
import {
  observer,
  type Protected,
  protectedMariaDb,
  protectedPostgres,
} from '../harness/protected-database.js';
import { scratchFolder } from '../harness/scratch.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { type AnyServer, databaseOf, Ground, reserve, servicesOf } from './ground.js';
import { Link } from './link.js';

export interface FieldOptions {
  readonly budget?: number;
  /** The database is behind a link, and sees no client's own address. */
  readonly databaseLink?: boolean;
  /** Worker threads of the second Envoy. */
  readonly edgeWorkers?: number;
  /** The brain reads its wall clock off by what `setClock` says (libfaketime, which Envoy does not start with). */
  readonly ownClock?: boolean;
}

/** Who speaks on the link before the database. */
export const parties = { brain: 'brain', envoys: 'Envoys' } as const;

export class Field<Server extends AnyServer = AnyServer> extends Ground<Server> {
  /** Of the brain to the database, and of the Envoys, where the field was built with links. */
  readonly links: { readonly database: Link | undefined; readonly brain: Link };
  readonly #edgeOptions: EdgeOptions;
  readonly #clock: Clock | undefined;
  /** The second of the two; its way to the brain is `links.brain`. */
  #edge: Envoy;

  private constructor(
    orders: Protected<Server>,
    sluice: Sluice,
    links: Field['links'],
    edge: Envoy,
    edgeOptions: EdgeOptions,
    clock: Clock | undefined,
  ) {
    super(orders, sluice);
    this.links = links;
    this.#edge = edge;
    this.#edgeOptions = edgeOptions;
    this.#clock = clock;
  }

  static postgres(
    options: FieldOptions & { readonly version?: PostgresVersion } = {},
  ): Promise<Field<Postgres>> {
    const { budget, version } = options;
    return Field.#build(
      protectedPostgres('orders', { ...databaseOf(budget), reserve, ...(version && { version }) }),
      options,
    );
  }

  static mariaDb(options: FieldOptions = {}): Promise<Field<MariaDb>> {
    return Field.#build(protectedMariaDb('orders', databaseOf(options.budget)), options);
  }

  static async #build<Server extends AnyServer>(
    starting: Promise<Protected<Server>>,
    { databaseLink = false, edgeWorkers = 2, ownClock = false }: FieldOptions,
  ): Promise<Field<Server>> {
    const orders = await starting;
    const { budget } = orders;
    const link = databaseLink ? await Link.to(orders.server, { partyOf }) : undefined;
    const input = link
      ? { ...orders.input, endpoints: [{ host: link.host, port: link.port }] }
      : orders.input;
    const clock = ownClock ? newClock() : undefined;
    const sluice = await Sluice.start({
      databases: { orders: { ...orders, input } },
      services: servicesOf(budget),
      ...(clock && { env: clock.env }),
    });
    const brain = await Link.to(sluice.brain.xds);
    const edgeOptions = { workers: edgeWorkers };
    const edge = await startEdge(sluice, brain, edgeOptions);
    const field = new Field(orders, sluice, { database: link, brain }, edge, edgeOptions, clock);
    await field.#inSync();
    return field;
  }

  async leader(): Promise<Brain> {
    return this.sluice.brain;
  }

  async save(): Promise<void> {
    this.sluice.file.save();
  }

  get edge(): Envoy {
    return this.#edge;
  }

  /** A new Envoy by the name of the one that was killed. */
  async replaceEdge(): Promise<void> {
    this.#edge = await startEdge(this.sluice, this.links.brain, this.#edgeOptions);
    await this.#inSync();
  }

  /** @param offset of the brain's wall clock, such as `+3600`; it follows within a second. The monotonic clock stays. */
  setClock(offset: string): void {
    writeFileSync(this.#clock!.file, `${offset}\n`);
  }

  async #inSync(): Promise<void> {
    await waitUntil('both nodes have everything', async () => {
      const { nodes } = await this.sluice.brain.status();
      return nodes.length === 2 && nodes.every(({ convergence }) => convergence === 'converged');
    });
  }
}

/** A Postgres client says its user first, in the clear: the database of the drills offers no TLS. */
function partyOf(first: Buffer): string {
  return first.includes(`user\0${observer}\0`) ? parties.brain : parties.envoys;
}

interface EdgeOptions {
  readonly workers: number;
}

async function startEdge(sluice: Sluice, brain: Link, options: EdgeOptions): Promise<Envoy> {
  const { channel } = sluice.brain;
  const edge = await Envoy.start({ node: 'edge-2', xds: brain, channel, ...options });
  for (const name of Object.keys(sluice.file.spec.listeners)) await edge.waitForListener(name);
  return edge;
}

interface Clock {
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
}

function newClock(): Clock {
  const file = path.join(scratchFolder('clock'), 'offset');
  writeFileSync(file, '+0\n');
  return {
    file,
    env: {
      LD_PRELOAD: '/usr/$LIB/faketime/libfaketimeMT.so.1',
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_CACHE_DURATION: '1',
    },
  };
}
