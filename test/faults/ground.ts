/** What every drill is held on: a database that has room for not one session more than the budget, and a way to it. */
import type { Brain } from '../harness/brain.js';
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { observer, type Protected } from '../harness/protected-database.js';
import type { Sluice } from '../harness/sluice.js';

export type AnyServer = Postgres | MariaDb;

/** What the flood wants, and what a drill's own clients want, which are let in before it. */
export const service = 'checkout';
export const ownService = 'audit';
export const account = { user: 'ann', password: 'correct horse', database: 'orders' };

/** Longer than any fault. */
export const timeoutMs = 150_000;

export abstract class Ground<Server extends AnyServer = AnyServer> {
  readonly orders: Protected<Server>;
  readonly sluice: Sluice;

  constructor(orders: Protected<Server>, sluice: Sluice) {
    this.orders = orders;
    this.sluice = sluice;
  }

  get budget(): number {
    return this.orders.budget;
  }

  get protocol(): 'postgres' | 'mysql' {
    return 'pg' in this.sluice.file.spec.listeners ? 'postgres' : 'mysql';
  }

  /** The brain that decides. @throws where none does at the moment */
  abstract leader(): Promise<Brain>;

  /** Has the spec in `sluice.file` taken. */
  abstract save(): Promise<void>;

  /** As the database counts: sessions of clients. */
  sessions(): Promise<number> {
    return this.orders.server.count(undefined, [observer]);
  }

  /** As the ledger counts: slots that are taken. */
  async grants(): Promise<number> {
    const { services } = await (await this.leader()).status();
    // One who has lost his term meanwhile has no count, and NaN equals none.
    return services.reduce((sum, { total }) => sum + (total ?? Number.NaN), 0);
  }

  /** Who holds them, for whoever looks into it. */
  async slots(): Promise<string> {
    const leader = await this.leader();
    const { rows, total } = await leader.sessions();
    const { targets } = await leader.status();
    const counts = new Map<string, number>();
    for (const { state, node, server_id } of rows) {
      const kind = `${state} at ${node}${server_id === null ? ' before its login' : ''}`;
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    const kinds = [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ');
    return `${total} slots: ${kinds}; unclaimed ${targets.map(({ unclaimed }) => unclaimed)}`;
  }
}

const defaultBudget = 20;
/** The harness's own session and two of the observer's. */
export const reserve = 3;

export function databaseOf(budget = defaultBudget) {
  return {
    budget,
    accounts: [{ name: account.user, password: account.password }],
    databases: [account.database],
  };
}

/** Both services may have all of it. */
export function servicesOf(budget: number) {
  const shared = { database: 'orders', max_connections: budget, timeout_ms: timeoutMs };
  return {
    [service]: { ...shared, max_queue: 1_000 },
    [ownService]: { ...shared, max_queue: budget, priority: 1 },
  };
}
