/**
 * What the drills are held on: one database that has room for not one session more than the budget, two Envoys of two
 * workers that share a port (the kernel deals clients out to them), and what has to be cut or killed between them.
 */
import { Envoy } from '../harness/envoy.js';
import type { Postgres } from '../harness/postgres.js';
import { observer, type Protected, protectedPostgres } from '../harness/protected-database.js';
import { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { Link } from './link.js';

export const budget = 20;
export const service = 'checkout';
export const account = { user: 'ann', password: 'correct horse', database: 'orders' };

export class Field {
  readonly orders: Protected<Postgres>;
  readonly sluice: Sluice;
  /** Of the brain to the database, and of the Envoys, where the field was built with links. */
  readonly links: { readonly database: Link | undefined; readonly brain: Link };
  /** The second of the two; its way to the brain is `links.brain`. */
  #edge: Envoy;

  private constructor(orders: Protected<Postgres>, sluice: Sluice, links: Field['links'], edge: Envoy) {
    this.orders = orders;
    this.sluice = sluice;
    this.links = links;
    this.#edge = edge;
  }

  /** @param options.databaseLink the database is behind a link, and sees no client's own address */
  static async build({ databaseLink = false } = {}): Promise<Field> {
    const orders = await protectedPostgres('orders', {
      budget,
      reserve: 3,
      accounts: [{ name: account.user, password: account.password }],
      databases: [account.database],
    });
    const link = databaseLink ? await Link.to(orders.server) : undefined;
    const input = link
      ? { ...orders.input, endpoints: [{ host: link.host, port: link.port }] }
      : orders.input;
    const sluice = await Sluice.start({
      databases: { orders: { ...orders, input } },
      services: {
        [service]: { database: 'orders', max_connections: budget, max_queue: 1_000, timeout_ms: 60_000 },
      },
    });
    const brain = await Link.to(sluice.brain.xds);
    const field = new Field(orders, sluice, { database: link, brain }, await startEdge(sluice, brain));
    await field.#inSync();
    return field;
  }

  get edge(): Envoy {
    return this.#edge;
  }

  /** A new Envoy by the name of the one that was killed. */
  async replaceEdge(): Promise<void> {
    this.#edge = await startEdge(this.sluice, this.links.brain);
    await this.#inSync();
  }

  /** As the database counts: sessions of clients. */
  sessions(): Promise<number> {
    return this.orders.server.count(undefined, [observer]);
  }

  /** As the ledger counts: slots that are taken. */
  async grants(): Promise<number> {
    const { services } = await this.sluice.brain.status();
    return services.find(({ service: name }) => name === service)!.total;
  }

  async #inSync(): Promise<void> {
    await waitUntil('both nodes have everything', async () => {
      const { nodes } = await this.sluice.brain.status();
      return nodes.length === 2 && nodes.every(({ convergence }) => convergence === 'converged');
    });
  }
}

async function startEdge(sluice: Sluice, brain: Link): Promise<Envoy> {
  const edge = await Envoy.start({ node: 'edge-2', xds: brain, channel: sluice.brain.channel });
  for (const name of Object.keys(sluice.file.spec.listeners)) await edge.waitForListener(name);
  return edge;
}
