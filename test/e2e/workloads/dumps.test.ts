/** Dumps taken through Sluice are those taken without it, and what is restored through it is what was dumped. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stopEverything } from '../../harness/ending.js';
import type { MariaDb } from '../../harness/mariadb.js';
import type { Postgres } from '../../harness/postgres.js';
import { scratchFolder } from '../../harness/scratch.js';
import {
  libpqOf,
  mariaDbSides,
  mariadbArguments,
  mariadbEnvironment,
  output,
  postgresSides,
  type Sides,
  type Way,
} from './sides.js';

after(stopEverything);

/** Some 10 MB of many kinds. */
const postgresData = `
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
  CREATE TABLE things (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, price numeric(12, 3), born timestamptz,
    tags text[], shape jsonb, content bytea, feeling mood, span int4range);
  INSERT INTO things (name, price, born, tags, shape, content, feeling, span)
  SELECT 'thing № ' || i || E'\\n\\t\\\\', i / 7.0, timestamptz '2026-01-01 00:00Z' + i * interval '1 minute',
    ARRAY[i::text, NULL, 'a"b'], jsonb_build_object('i', i, 'nested', jsonb_build_array(i, null, 'ü')),
    decode(repeat(md5(i::text), 8), 'hex'), (ARRAY['sad', 'ok', 'happy'])[1 + i % 3]::mood, int4range(i, i + 10)
  FROM generate_series(1, 20000) AS i;
  CREATE INDEX ON things (name);
  CREATE VIEW cheap AS SELECT * FROM things WHERE price < 100;
  CREATE TABLE parts (thing bigint REFERENCES things, n int, PRIMARY KEY (thing, n));
  INSERT INTO parts SELECT i, n FROM generate_series(1, 20000) AS i, generate_series(1, 3) AS n;
  CREATE FUNCTION doubled(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
  SELECT lo_from_bytea(0, decode(repeat('00ff', 100000), 'hex'));
`;

describe('Postgres', () => {
  let sides: Sides<Postgres>;
  let folder: string;
  before(async () => {
    sides = await postgresSides(['orders', 'restored', 'parallel']);
    folder = scratchFolder('pg-dump');
    const args = ['--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1', '--output=/dev/null'];
    await output('psql', args, libpqOf(sides.to('orders').direct), postgresData);
  });

  const dump = (way: Way, ...args: readonly string[]) => output('pg_dump', args, libpqOf(way));

  test('pg_dump through Sluice writes what it writes without', { timeout: 120_000 }, async () => {
    const { direct, through } = sides.to('orders');
    const [expected, dumped] = [textOf(await dump(direct)), textOf(await dump(through))];
    assert.ok(expected.length > 5_000_000);
    assert.ok(dumped === expected);
  });

  test('pg_restore through Sluice brings back what was dumped through Sluice', {
    timeout: 120_000,
  }, async () => {
    const archive = path.join(folder, 'archive');
    await dump(sides.to('orders').through, '--format=custom', '--compress=1', `--file=${archive}`);
    const restored = sides.to('restored');
    await output('pg_restore', ['--exit-on-error', '--dbname=restored', archive], libpqOf(restored.through));
    assert.ok(textOf(await dump(restored.direct)) === textOf(await dump(sides.to('orders').direct)));
  });

  test('so it does with several connections that share a snapshot', { timeout: 120_000 }, async () => {
    const archive = path.join(folder, 'directory');
    const args = ['--format=directory', '--jobs=3', '--compress=0'];
    await dump(sides.to('orders').through, ...args, `--file=${archive}`);
    const parallel = sides.to('parallel');
    const restore = ['--exit-on-error', '--jobs=3', '--dbname=parallel', archive];
    await output('pg_restore', restore, libpqOf(parallel.through));
    assert.ok(textOf(await dump(parallel.direct)) === textOf(await dump(sides.to('orders').direct)));
  });
});

/** Newer minor versions put a random word around the data, against a server that would speak to psql. */
function textOf(dump: string): string {
  return dump.replaceAll(/^\\(un)?restrict .*$/gm, '');
}

const mariadbData = `
  CREATE TABLE things (
    id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(100) CHARACTER SET utf8mb4, price DECIMAL(12, 3), born DATETIME(3),
    shape JSON, content LONGBLOB, feeling ENUM('sad', 'ok', 'happy'), tags SET('a', 'b'), KEY (name)) ENGINE=InnoDB;
  INSERT INTO things (name, price, born, shape, content, feeling, tags)
  SELECT CONCAT('thing № ', seq, '\\n\\t\\\\''"'), seq / 7, '2026-01-01' + INTERVAL seq MINUTE, JSON_OBJECT('i', seq),
    UNHEX(REPEAT(MD5(seq), 8)), ELT(1 + seq % 3, 'sad', 'ok', 'happy'), 'a,b'
  FROM seq_1_to_20000;
  INSERT INTO things (content) SELECT REPEAT(UNHEX('00FF27225C0A'), 500000);
  CREATE TABLE parts (thing BIGINT, n INT, PRIMARY KEY (thing, n), FOREIGN KEY (thing) REFERENCES things (id));
  INSERT INTO parts SELECT id, 1 FROM things;
  CREATE VIEW cheap AS SELECT * FROM things WHERE price < 100;
  CREATE TRIGGER stamped BEFORE INSERT ON parts FOR EACH ROW SET NEW.n = COALESCE(NEW.n, 0);
  DELIMITER $$
  CREATE PROCEDURE doubled(INOUT n INT) BEGIN SET n = n * 2; END$$
`;

describe('MariaDB', () => {
  let sides: Sides<MariaDb>;
  let folder: string;
  before(async () => {
    sides = await mariaDbSides(['reports', 'restored'], {
      'max-allowed-packet': '64M',
      'innodb-log-file-size': '64M',
    });
    folder = scratchFolder('mariadb-dump');
    await client(sides.to('reports').direct, mariadbData);
  });

  const client = (way: Way, input: string) =>
    output('mariadb', [...mariadbArguments(way), way.database], mariadbEnvironment(way), input);

  /** Without the line that says when. */
  async function dump(way: Way, name: string): Promise<string> {
    const file = path.join(folder, name);
    const args = ['--single-transaction', '--routines', '--hex-blob', '--skip-dump-date', '--skip-comments'];
    const all = [...mariadbArguments(way), ...args, `--result-file=${file}`, way.database];
    await output('mariadb-dump', all, mariadbEnvironment(way));
    return readFileSync(file, 'utf8');
  }

  test('mariadb-dump through Sluice writes what it writes without', { timeout: 120_000 }, async () => {
    const { direct, through } = sides.to('reports');
    const [expected, dumped] = [await dump(direct, 'direct.sql'), await dump(through, 'through.sql')];
    assert.ok(expected.length > 5_000_000);
    assert.ok(dumped === expected);
  });

  test('the mariadb CLI restores through Sluice what was dumped through Sluice', {
    timeout: 120_000,
  }, async () => {
    const dumped = await dump(sides.to('reports').through, 'original.sql');
    const restored = sides.to('restored');
    await client(restored.through, dumped);
    assert.ok((await dump(restored.direct, 'restored.sql')) === dumped);
    const tables = (database: string) => `CHECKSUM TABLE ${database}.things, ${database}.parts`;
    const sums = async (database: string) =>
      (await sides.server.query<{ Checksum: number }>(tables(database))).map(({ Checksum }) => Checksum);
    assert.deepEqual(await sums('restored'), await sums('reports'));
  });
});
