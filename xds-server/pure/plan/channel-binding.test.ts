import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSpec } from '../spec/parse-spec.js';
import { yaml } from '../spec/sound-spec.js';
import { bindingWarnings } from './channel-binding.js';
import { planOf } from './plan-of.js';

/** `checkout` and `search` use Postgres `orders`, `reports` uses MariaDB. */
function plan(tls: readonly string[]) {
  const parsed = parseSpec(yaml(tls.map((name) => [`databases.${name}.tls`, { mode: 'require' }])));
  assert.ok(parsed.ok);
  return planOf(parsed.spec);
}

const warned = (tls: readonly string[], seen: readonly string[]) =>
  bindingWarnings(
    plan(tls),
    () => 'front',
    () => seen,
  ).map(({ path }) => path);

test('services of a Postgres with TLS and another certificate are warned of', () => {
  assert.deepEqual(warned(['orders'], ['own']), ['services.checkout', 'services.search']);
  assert.deepEqual(warned(['orders'], ['front', 'own']), ['services.checkout', 'services.search']);
});

test('nobody is where the certificate is the same, was not seen yet, or binds nobody', () => {
  assert.deepEqual(warned(['orders'], ['front', 'front']), []);
  assert.deepEqual(warned(['orders'], []), []);
  assert.deepEqual(warned([], ['own']), []);
  assert.deepEqual(warned(['warehouse'], ['own']), []);
});
