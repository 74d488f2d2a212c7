/** Rows of 64 MB, and MySQL packets of every length around the largest: the same through Sluice as without it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { mariaDbSides, postgresSides, type Sides, work } from '../e2e/workloads/sides.js';
import { stopEverything } from '../harness/ending.js';

const large = { 'max-allowed-packet': '160M', 'innodb-log-file-size': '64M' };

let orders: Sides<unknown>;
let reports: Sides<unknown>;
before(async () => {
  orders = await postgresSides(['orders']);
  reports = await mariaDbSides(['reports'], large);
});
after(stopEverything);

async function isTheSame(sides: Sides<unknown>, database: string, file: string, name: string): Promise<void> {
  const { direct, through } = sides.to(database);
  assert.deepEqual(await work(file, name, through, true), await work(file, name, direct, true));
}

test('a row of 64 MB goes to Postgres and back', { timeout: 300_000 }, () =>
  isTheSame(orders, 'orders', 'postgres_work.py', 'large_rows'),
);

test('a row of 64 MB goes to MariaDB and back', { timeout: 300_000 }, () =>
  isTheSame(reports, 'reports', 'mysql_work.py', 'large_rows'),
);

test('packets that just fit, and just do not, arrive whole at every length', { timeout: 300_000 }, () =>
  isTheSame(reports, 'reports', 'mysql_work.py', 'packets_at_the_border'),
);
