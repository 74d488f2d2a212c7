/** What drivers do with Postgres all day comes out the same through Sluice as without it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { stopEverything } from '../../harness/ending.js';
import type { Postgres } from '../../harness/postgres.js';
import { waitUntil } from '../../harness/wait-until.js';
import { postgresSession } from '../sessions.js';
import { java, postgresSides, type Sides, type Way, work } from './sides.js';

let sides: Sides<Postgres>;
before(async () => {
  sides = await postgresSides(['orders']);
});
after(stopEverything);

const works = {
  listen_notify: 'a listener hears every notification',
  prepared_statements: 'prepared statements are prepared once and run many times',
  server_side_cursors: 'cursors fetch in portions, forwards and back',
  cursors_with_hold: 'cursors WITH HOLD live on after their transaction',
  pipeline_mode: 'thousands of statements in one pipeline are answered in order, also past an error',
  savepoints: 'savepoints undo what came after them',
  large_in_lists: 'lists of 60,000 values arrive whole, as text, as parameters and as an array',
  client_encodings: "text is converted to the client's own encoding",
  large_rows: 'a row of 8 MB goes there and back',
  binary_results: 'values come in binary as they do as text',
  copy_in_and_out: 'COPY goes in and out, and can be broken off by either side',
  notices_and_errors: 'notices, errors and changed parameters reach the client',
  functions_and_large_objects: 'functions, procedures, large objects and fast-path calls work',
} as const;

for (const [name, sentence] of Object.entries(works)) {
  test(sentence, { timeout: 120_000 }, async () => {
    const { direct, through } = sides.to('orders');
    const expected = await work('postgres_work.py', name, direct);
    assert.deepEqual(await work('postgres_work.py', name, through), expected);
  });
}

test('JDBC reads a result in portions of a portal', { timeout: 60_000 }, async () => {
  const { direct, through } = sides.to('orders');
  const read = (way: Way) =>
    java('CursorFetch', way, [
      `jdbc:postgresql://${way.host}:${way.port}/${way.database}`,
      'SELECT i, md5(i::text) FROM generate_series(1, ?) AS i',
      `user=${way.user}`,
      ...(way.ca === undefined ? ['sslmode=disable'] : ['sslmode=verify-full', `sslrootcert=${way.ca}`]),
    ]);
  const expected = await read(direct);
  assert.match(expected, /^1 5000 .*\n7 5000 .*\n1000 5000 .*\n$/);
  assert.equal(await read(through), expected);
});

test('a session that has long been idle in a transaction goes on where it was', async () => {
  const { user, password } = sides.to('orders').through;
  const client = await postgresSession(sides.sluice, 'checkout', { user, password, database: 'orders' });
  await client.query('BEGIN');
  await client.query('CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT 42 AS n');
  // Reported three times over as open.
  await waitUntil('the session is known to be open for 6 seconds', async () => {
    const { rows } = await sides.sluice.brain.sessions();
    return rows.some(({ state, age_ms }) => state === 'active' && age_ms > 6000);
  });
  assert.deepEqual((await client.query('SELECT n FROM kept')).rows, [{ n: 42 }]);
  await client.query('COMMIT');
  await client.end();
});
