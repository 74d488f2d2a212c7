/** pgbench through Sluice: every query mode, new connections for every transaction, and the same data at the end. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { stopEverything } from '../../harness/ending.js';
import type { Postgres } from '../../harness/postgres.js';
import { libpqOf, output, postgresSides, type Sides, type Way } from './sides.js';

let sides: Sides<Postgres>;
/** What one client without Sluice leaves, in whatever query mode. */
let expected: string;
before(async () => {
  sides = await postgresSides(['orders']);
  expected = await outcome(sides.to('orders').direct, []);
});
after(stopEverything);

/** Times are left out: no two runs have the same. */
const state = `SELECT
  (SELECT md5(string_agg(a::text, '' ORDER BY aid)) FROM pgbench_accounts AS a),
  (SELECT md5(string_agg(t::text, '' ORDER BY tid)) FROM pgbench_tellers AS t),
  (SELECT md5(string_agg(b::text, '' ORDER BY bid)) FROM pgbench_branches AS b),
  (SELECT count(*) || md5(string_agg((tid, bid, aid, delta)::text, '' ORDER BY tid, bid, aid, delta))
   FROM pgbench_history)`;

const psql = (sql: string) => ['--no-psqlrc', '--tuples-only', '--no-align', `--command=${sql}`];

/** What is in the tables after a run from the beginning by one client with always the same choices. */
async function outcome(way: Way, args: readonly string[]): Promise<string> {
  const environment = libpqOf(way);
  await output('pgbench', ['--initialize', '--init-steps=dtgvp', '--quiet'], environment);
  const run = ['--random-seed=7', '--client=1', '--transactions=100', '--no-vacuum', ...args];
  const said = await output('pgbench', run, environment);
  assert.match(said, /transactions actually processed: 100\/100/);
  assert.match(said, /failed transactions: 0 /);
  return output('psql', psql(state), environment);
}

for (const mode of ['simple', 'extended', 'prepared']) {
  describe(`in query mode ${mode}`, () => {
    const args = [`--protocol=${mode}`];

    test('one client leaves the same data as it does without Sluice', { timeout: 120_000 }, async () => {
      assert.equal(await outcome(sides.to('orders').through, args), expected);
    });

    test('so it does with a new connection for each transaction', { timeout: 120_000 }, async () => {
      assert.equal(await outcome(sides.to('orders').through, [...args, '--connect']), expected);
    });

    test('each transaction of eight clients is done once', { timeout: 120_000 }, async () => {
      const environment = libpqOf(sides.to('orders').through);
      await output('pgbench', ['--initialize', '--quiet'], environment);
      const run = ['--client=8', '--jobs=2', '--transactions=50', '--no-vacuum', ...args];
      const said = await output('pgbench', run, environment);
      assert.match(said, /transactions actually processed: 400\/400/);
      const done = await output(
        'psql',
        psql(`SELECT count(*), sum(delta) = (SELECT sum(abalance) FROM pgbench_accounts),
          sum(delta) = (SELECT sum(bbalance) FROM pgbench_branches) FROM pgbench_history`),
        environment,
      );
      assert.equal(done.trim(), '400|t|t');
    });
  });
}
