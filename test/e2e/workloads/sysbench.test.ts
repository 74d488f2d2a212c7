/** sysbench through Sluice: prepared statements of the MySQL protocol, as many as without, and no error. */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { stopEverything } from '../../harness/ending.js';
import type { MariaDb } from '../../harness/mariadb.js';
import { ownAddress } from '../../harness/own-address.js';
import { scratchFolder } from '../../harness/scratch.js';
import { mariaDbSides, output, type Sides, type Way } from './sides.js';

let sides: Sides<MariaDb>;
let folder: string;
before(async () => {
  sides = await mariaDbSides(['reports'], { 'innodb-log-file-size': '64M' });
  // Where sysbench looks for what TLS needs, under these names.
  folder = scratchFolder('sysbench');
  const { certificates } = sides.sluice;
  const own = await certificates.client('spiffe://test/sysbench');
  cpSync(certificates.ca, path.join(folder, 'cacert.pem'));
  cpSync(own.chain, path.join(folder, 'client-cert.pem'));
  cpSync(own.key, path.join(folder, 'client-key.pem'));
});
after(stopEverything);

const rows = 2000;

async function sysbench(way: Way, ...args: readonly string[]): Promise<string> {
  // Its password can only be given as an argument; it is that of a test.
  const to = [
    ...['--db-driver=mysql', `--mysql-host=${way.host}`, `--mysql-port=${way.port}`],
    ...[`--mysql-user=${way.user}`, `--mysql-password=${way.password}`, `--mysql-db=${way.database}`],
    ...(way.ca === undefined ? [] : ['--mysql-ssl=on']),
    ...['--tables=2', `--table-size=${rows}`, '--time=0'],
  ];
  return output('env', ['--chdir', folder, 'sysbench', ...to, ...args], way.environment);
}

/** What a run from the beginning says of its own work, and the rows there are after it; its choices are never the same. */
async function outcome(way: Way, script: string): Promise<unknown> {
  await sysbench(way, script, 'prepare');
  const said = await sysbench(way, '--threads=1', '--events=100', script, 'run');
  const counted = [
    ...said.matchAll(/^ +(read|write|other|total|transactions|ignored errors|reconnects): +(\d+)/gm),
  ];
  assert.equal(counted.length, 7, said);
  const rows = await sides.server.query(
    'SELECT (SELECT COUNT(*) FROM reports.sbtest1) + (SELECT COUNT(*) FROM reports.sbtest2) AS n',
  );
  await sysbench(way, script, 'cleanup');
  return [counted.map(([, what, count]) => `${what} ${count}`), rows];
}

for (const script of ['oltp_read_write', 'oltp_insert', 'oltp_point_select']) {
  test(`${script} does the same as it does without Sluice`, { timeout: 120_000 }, async () => {
    const { direct, through } = sides.to('reports');
    assert.deepEqual(await outcome(through, script), await outcome(direct, script));
  });
}

test('eight threads read and write without an error of the connection', { timeout: 120_000 }, async () => {
  const { through } = sides.to('reports');
  await sysbench(through, 'oltp_read_write', 'prepare');
  // By address: it sends no name anyway, and nss_wrapper loses some of eight look-ups at once.
  const eight = [`--mysql-host=${ownAddress}`, '--threads=8', '--events=400'];
  const said = await sysbench(through, ...eight, 'oltp_read_write', 'run');
  assert.match(said, /transactions: +400 /);
  assert.match(said, /reconnects: +0 /);
  assert.equal((await sides.server.query('SELECT COUNT(*) AS n FROM reports.sbtest1'))[0]?.n, rows);
  await sysbench(through, 'oltp_read_write', 'cleanup');
});
