/** What many end-to-end tests begin with: a Postgres, a MariaDB, an account in both, and Sluice before them. */
import type { MariaDb } from '../harness/mariadb.js';
import type { Postgres } from '../harness/postgres.js';
import { type Protected, protectedMariaDb, protectedPostgres } from '../harness/protected-database.js';
import { Sluice, type SluiceOptions } from '../harness/sluice.js';
import type { Account } from './sessions.js';

const [user, password] = ['ann', 'correct horse'];

/** Of Postgres; the database is hers. */
export const ann: Account = { user, password, database: 'orders' };
/** Of MariaDB. */
export const annOfReports: Account = { user, password, database: 'reports' };

export interface OrdersAndReports {
  readonly orders: Protected<Postgres>;
  readonly reports: Protected<MariaDb>;
  readonly sluice: Sluice;
}

export interface OrdersAndReportsOptions extends Omit<SluiceOptions, 'databases'> {
  /** Sessions that clients may have; MariaDB takes no fewer than 8. */
  readonly budgets: { readonly orders: number; readonly reports: number };
}

export async function ordersAndReports({
  budgets,
  ...options
}: OrdersAndReportsOptions): Promise<OrdersAndReports> {
  const accounts = [{ name: user, password }];
  const [orders, reports] = await Promise.all([
    protectedPostgres('orders', { budget: budgets.orders, accounts, databases: ['orders'] }),
    protectedMariaDb('reports', { budget: budgets.reports, accounts, databases: ['reports'] }),
  ]);
  await orders.server.query(`ALTER DATABASE orders OWNER TO ${user}`);
  const sluice = await Sluice.start({ databases: { orders, reports }, ...options });
  return { orders, reports, sluice };
}
