/** What drivers do with MariaDB all day comes out the same through Sluice as without it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { stopEverything } from '../../harness/ending.js';
import type { MariaDb } from '../../harness/mariadb.js';
import { java, mariaDbSides, type Sides, type Way, work } from './sides.js';

let sides: Sides<MariaDb>;
before(async () => {
  sides = await mariaDbSides(['reports', 'archive'], {
    'max-allowed-packet': '160M',
    'innodb-log-file-size': '64M',
    'local-infile': 'ON',
  });
});
after(stopEverything);

const works = {
  binary_protocol: 'prepared statements take and give values in binary',
  many_prepared_statements: 'many prepared statements are open at once',
  multi_statements: 'several statements in one are answered one by one, also when one of them fails',
  stored_procedures: 'procedures give several results and their parameters back',
  load_local_file: 'LOAD DATA LOCAL reads a file of several packets, and survives one that is not there',
  large_rows: 'a row of more than one packet goes there and back',
  packets_at_the_border: 'packets that just fit, and just do not, arrive whole',
  packet_too_large: 'a packet that the server does not take ends the session as it does without Sluice',
  large_in_lists: 'lists of 60,000 values arrive whole',
  unbuffered_results: 'results are read row by row',
  savepoints: 'savepoints undo what came after them',
  client_encodings: "text is converted to the client's own character set",
  commands_besides_queries: 'ping, change of database, reset and change of user work',
  warnings_and_errors: 'warnings and errors reach the client',
} as const;

for (const [name, sentence] of Object.entries(works)) {
  test(sentence, { timeout: 120_000 }, async () => {
    const { direct, through } = sides.to('reports');
    const expected = await work('mysql_work.py', name, direct);
    assert.deepEqual(await work('mysql_work.py', name, through), expected);
  });
}

test('JDBC reads a result in portions of a cursor in the server', { timeout: 60_000 }, async () => {
  const { direct, through } = sides.to('reports');
  const read = (way: Way) =>
    java('CursorFetch', way, [
      `jdbc:mysql://${way.host}:${way.port}/${way.database}`,
      'SELECT seq, MD5(seq) FROM seq_1_to_100000 WHERE seq <= ?',
      ...[`user=${way.user}`, 'useCursorFetch=true', 'useServerPrepStmts=true'],
      // Who it is that it speaks to is seen in drivers.test.ts.
      way.ca === undefined ? 'sslMode=DISABLED' : 'sslMode=REQUIRED',
    ]);
  const expected = await read(direct);
  assert.match(expected, /^1 5000 .*\n7 5000 .*\n1000 5000 .*\n$/);
  assert.equal(await read(through), expected);
});
