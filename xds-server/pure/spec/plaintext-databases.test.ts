import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSpec } from './parse-spec.js';
import { plaintextWarnings } from './plaintext-databases.js';
import { renderProblem } from './problem.js';
import { yaml } from './sound-spec.js';

function warned(changes: Parameters<typeof yaml>[0] = []): string[] {
  const parsed = parseSpec(yaml(changes));
  assert.ok(parsed.ok);
  return plaintextWarnings(parsed.spec).map(renderProblem);
}

/** Of `orders` the sound spec has addresses, of `warehouse` a name. */
const paths = (changes: Parameters<typeof yaml>[0]) => warned(changes).map((text) => text.split(':')[0]);

test('a database on another machine without a word about TLS is warned of, and what to do', () => {
  assert.deepEqual(warned([['databases.orders.tls', { mode: 'require' }]]), [
    'databases.warehouse.tls: expected TLS on the way to warehouse.example.com, found nothing, so all that clients send goes there in plaintext; add {mode: verify-full, ca: …}, or {mode: disable} if that is meant',
  ]);
  assert.deepEqual(paths([]), ['databases.orders.tls', 'databases.warehouse.tls']);
});

test('whoever has said that plaintext is meant is not', () =>
  assert.deepEqual(paths([['databases.orders.tls', { mode: 'disable' }]]), ['databases.warehouse.tls']));

test('one on this machine is not', () => {
  const orders = ['databases.orders.tls', { mode: 'require' }] as const;
  for (const host of ['127.0.0.1', '127.8.0.1', '::1', 'localhost'])
    assert.deepEqual(paths([orders, ['databases.warehouse.endpoints', [{ host, port: 3306 }]]]), []);
  const both = [
    { host: '127.0.0.1', port: 3306, role: 'primary' },
    { host: '10.0.0.7', port: 3306, role: 'replica' },
  ];
  assert.deepEqual(paths([orders, ['databases.warehouse.endpoints', both]]), ['databases.warehouse.tls']);
});
