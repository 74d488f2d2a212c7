import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planOf } from '../plan/plan-of.js';
import { parseSpec } from '../spec/parse-spec.js';
import { changed } from '../spec/sound-spec.js';
import { greetingFor, greetingOf } from './greeting.js';

const compress = 1 << 5;
const ssl = 1 << 11;

test('MariaDB 10.11 is greeted for as it greets, with TLS and without compression', () => {
  // As read off a MariaDB 10.11.19 without TLS: capabilities 0x81fff7fe, its own 0x1d.
  const theirs = (0x81fff7fe | ssl) >>> 0;
  const { version, capabilities, mariadb_capabilities, collation } = greetingOf('mariadb', '10.11');
  assert.equal(version, '5.5.5-10.11.0-MariaDB');
  assert.equal(capabilities & ~theirs, 0);
  assert.equal(mariadb_capabilities, 0x1d);
  assert.equal(collation, 45);
});

test('no server promises compression, and all ask for TLS', () => {
  const versions = [
    ['mariadb', '10.4'],
    ['mariadb', '11.8'],
    ['mysql', '8.0'],
    ['mysql', '8.4'],
  ] as const;
  for (const [engine, version] of versions) {
    const { capabilities } = greetingOf(engine, version);
    assert.equal(capabilities & compress, 0, version);
    assert.equal(capabilities & ssl, ssl, version);
  }
});

test('MariaDB tells itself from MySQL by a cleared first bit', () => {
  assert.equal(greetingOf('mariadb', '10.11').capabilities & 1, 0);
  assert.equal(greetingOf('mysql', '8.0').capabilities & 1, 1);
  assert.equal(greetingOf('mysql', '8.0').mariadb_capabilities, 0);
});

test('an older MariaDB promises less of its own', () => {
  assert.equal(greetingOf('mariadb', '10.5').mariadb_capabilities, 0x05);
});

test('the prefix for old replicas ended with MariaDB 11', () => {
  assert.equal(greetingOf('mariadb', '11.4').version, '11.4.0-MariaDB');
});

test('of several servers the oldest is greeted for, by number and not by letters', () => {
  const older = {
    engine: 'mariadb',
    version: '10.6',
    endpoints: [{ host: 'older.example.com', port: 3306 }],
    capacity: 10,
    reserve: 2,
    observer: { user: 'o', password: { env: 'P' } },
  };
  const parsed = parseSpec(changed('databases.older', older));
  assert.ok(parsed.ok);
  assert.equal(greetingFor(planOf(parsed.spec))?.version, '5.5.5-10.6.0-MariaDB');
});
