/**
 * What the demo runs on, all of it real: two Postgres servers and a MariaDB, each with room for its budget, its
 * reserve and the demo's own session and for not one more; the brain; one Envoy. All of it goes with the demo (stopEverything of the harness).
 */
import type { MariaDb } from '../test/harness/mariadb.js';
import type { Postgres } from '../test/harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../test/harness/protected-database.js';
import { Sluice } from '../test/harness/sluice.js';

export const budget = 10;

/** The same account everywhere: which database it reaches is decided by the name it connects to. */
export const account = { user: 'ann', password: 'only-for-this-demo' };

export interface World {
  readonly orders: Protected<Postgres>;
  readonly users: Protected<Postgres>;
  readonly reports: Protected<MariaDb>;
  readonly sluice: Sluice;
}

export async function startWorld(): Promise<World> {
  const accounts = [{ name: account.user, password: account.password }];
  const [orders, users, reports] = await Promise.all([
    protectedPostgres('orders', { budget, accounts, databases: ['orders'] }),
    protectedPostgres('users', { budget, accounts, databases: ['users'] }),
    protectedMariaDb('reports', { budget, accounts, databases: ['reports'] }),
  ]);
  const sluice = await Sluice.start({
    databases: { orders, users, reports },
    tenants: { shop: {}, analytics: { max_connections: budget } },
    services: {
      checkout: { ...of('shop', 'orders', budget), priority: 10, max_queue: 200, timeout_ms: 60_000 },
      batch: { ...of('shop', 'orders', budget), max_queue: 200, timeout_ms: 60_000 },
      vault: { ...of('shop', 'orders', 1), allow: [{ principal: 'spiffe://shop/vault' }] },
      accounts: { ...of('shop', 'users', 4), max_queue: 200, timeout_ms: 60_000 },
      impatient: { ...of('shop', 'users', 1), timeout_ms: 800 },
      dashboard: of('analytics', 'reports', 5),
      nightly: of('analytics', 'reports', 2),
    },
    listeners: { mysql: { default_service: 'nightly' } },
    clientCertificates: true,
  });
  return { orders, users, reports, sluice };
}

const of = (tenant: string, database: string, max_connections: number) => ({
  tenant,
  database,
  max_connections,
});
