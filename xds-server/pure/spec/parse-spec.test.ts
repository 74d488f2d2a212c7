import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseSpec } from './parse-spec.js';
import { linesOf, problemsOf } from './problems-of.js';
import { changed, leftOut, yaml } from './sound-spec.js';

test('the sound spec and the published example are accepted', () => {
  assert.deepEqual(linesOf(yaml()), []);
  const example = path.resolve(import.meta.dirname, '../../../examples/sluice.yaml');
  assert.deepEqual(linesOf(readFileSync(example, 'utf8')), []);
});

test('what is left out has its default', () => {
  const parsed = parseSpec(changed('services.checkout.guaranteed', leftOut));
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.spec.services.checkout, {
    hostname: 'checkout.orders.db.example.com',
    tenant: 'shop',
    database: 'orders',
    db_role: 'primary',
    max_connections: 40,
    guaranteed: 0,
    kill_reserve: 0,
    max_queue: 100,
    timeout_ms: 5000,
    priority: 0,
    allow: [{ principal: 'spiffe://shop/checkout' }, { cidr: '10.1.0.0/16', user: 'checkout', db: 'orders' }],
  });
  assert.equal(parsed.spec.listeners.pg?.allow_plaintext, false);
  assert.equal(parsed.spec.databases.warehouse?.endpoints[0]?.role, 'primary');
});

test('says everything at once, by line, though the objects concerned have other faults', () => {
  const text = yaml([
    ['listeners.pg.protocol', 'postgress'],
    ['databases.orders.capacity', 'auto'],
    ['services.checkout.tenant', 'shpo'],
    ['services.checkout.timeout_ms', 0],
    ['services.checkout.databse', 'orders'],
    ['services.search.database', 'ordres'],
  ]);
  const problems = problemsOf(text);
  assert.deepEqual(
    problems.map((problem) => problem.path),
    [
      'listeners.pg.protocol',
      'databases.orders.capacity',
      'services.checkout.tenant',
      'services.checkout.timeout_ms',
      'services.checkout.databse',
      'services.search.database',
    ],
  );
  const lines = text.split('\n');
  for (const { path: at, line } of problems)
    assert.match(lines[line! - 1]!, new RegExp(`${at.split('.').at(-1)}:`));
});

test('a line that names the field is pointed at, or its surroundings where it is missing', () => {
  const text = 'listeners: {}\ndatabases: {}\nservices:\n  a:\n    hostname: a.example.com\n    databse: x\n';
  const at = problemsOf(text).map(({ path: where, line, column }) => [where, line, column]);
  assert.deepEqual(
    at.filter(([where]) => where === 'services.a.databse'),
    [['services.a.databse', 6, 5]],
  );
  assert.deepEqual(
    at.filter(([where]) => where === 'services.a.tenant'),
    [['services.a.tenant', 4, 3]],
  );
});

test('a PROXY header goes with direct TLS, and not with TLS that is asked for behind it', () => {
  const lines = (tls: object) =>
    linesOf(
      yaml([
        ['databases.orders.tls', tls],
        ['databases.orders.proxy_protocol', 'v2'],
      ]),
    ).join();
  assert.match(lines({ mode: 'require' }), /databases\.orders\.proxy_protocol.*asked for in the protocol/);
  assert.equal(lines({ mode: 'require', negotiation: 'direct' }), '');
  assert.equal(lines({ mode: 'disable' }), '');
});
