/** Several brains on one etcd, of which one decides, before one Postgres; and an Envoy that knows the first of them alone. */
import { Brain } from './brain.js';
import { Envoy } from './envoy.js';
import { Etcd } from './etcd.js';
import type { Postgres } from './postgres.js';
import { type Protected, protectedPostgres } from './protected-database.js';
import { Sluice, type SluiceOptions } from './sluice.js';

/**
 * The harness's own session and four of two brains' observers: what is lost with a brain is proven by a second connection, and
 * a brain that stands still keeps its two. While they are not there the database has room for more than the budget, so
 * sessions are to be counted.
 */
const observersReserve = 5;

/** How a brain finds etcd, and other brains find it. */
export type Ways = Pick<SluiceOptions, 'store' | 'advertise'>;

export interface SeveralBrainsOptions {
  readonly count: number;
  /** Of the database `orders`. */
  readonly budget: number;
  /** Room for all of two brains' observers unless said otherwise. */
  readonly reserve?: number;
  readonly account: { readonly user: string; readonly password: string; readonly database: string };
  readonly services: SluiceOptions['services'];
  /** Of each brain, before it starts; straight unless said otherwise. */
  readonly waysOf?: (id: string, etcd: Etcd) => Promise<Ways>;
}

export interface SeveralBrains {
  readonly etcd: Etcd;
  /** Where the spec is. */
  readonly store: string;
  readonly orders: Protected<Postgres>;
  readonly sluice: Sluice;
  /** `brain-1`, which is the `sluice`'s own, `brain-2` and so on. */
  readonly brains: readonly Brain[];
}

export async function severalBrains({
  count,
  budget,
  reserve = observersReserve,
  account: { user, password, database },
  services,
  waysOf,
}: SeveralBrainsOptions): Promise<SeveralBrains> {
  const [etcd, orders] = await Promise.all([
    Etcd.start(),
    protectedPostgres('orders', {
      ...{ budget, reserve },
      accounts: [{ name: user, password }],
      databases: [database],
    }),
  ]);
  const store = `etcd:${etcd.urls}`;
  const ways = async (id: string) => ({ store, ...(await waysOf?.(id, etcd)) });
  const sluice = await Sluice.start({ databases: { orders }, services, ...(await ways('brain-1')) });
  const brains = [sluice.brain];
  while (brains.length < count) {
    const id = `brain-${brains.length + 1}`;
    brains.push(await Brain.start(sluice.file.path, { beside: sluice.brain, id, ...(await ways(id)) }));
  }
  return { etcd, store, orders, sluice, brains };
}

/** An Envoy that knows all of them. */
export async function edgeOf(brains: readonly Brain[], node: string): Promise<Envoy> {
  const { channel } = brains[0]!;
  const edge = await Envoy.start({ node, xds: brains.map(({ xds }) => xds), channel });
  await edge.waitForListener('pg');
  return edge;
}
