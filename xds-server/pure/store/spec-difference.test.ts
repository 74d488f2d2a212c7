import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { parseSpec } from '../spec/parse-spec.js';
import { soundSpec } from '../spec/sound-spec.js';
import type { Spec } from '../spec/spec.js';
import { renderDifference, specDifference } from './spec-difference.js';

/** By name. */
type Objects = Record<string, Record<string, unknown>>;

function specOf(change: (spec: { services: Objects }) => void = () => undefined): Spec {
  const spec = soundSpec() as { services: Objects };
  change(spec);
  const parsed = parseSpec(stringify(spec));
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.spec;
}

const lines = (before: Spec | undefined, after: Spec): readonly string[] =>
  renderDifference(specDifference(before, after));

test('a spec is no different from itself, nor from one that says the defaults', () => {
  assert.deepEqual(lines(specOf(), specOf()), []);
  assert.deepEqual(
    lines(
      specOf(),
      specOf((spec) => Object.assign(spec.services.checkout!, { db_role: 'primary' })),
    ),
    [],
  );
});

test('against nothing each object is added', () => {
  const added = lines(undefined, specOf());
  assert.ok(added.includes('+ services.checkout') && added.includes('+ databases.orders'));
  assert.ok(added.every((line) => line.startsWith('+ ')));
});

test('what is added, removed and changed is told by its place, with both values', () => {
  const after = specOf((spec) => {
    const { checkout, search, ...others } = spec.services;
    spec.services = {
      ...others,
      checkout: checkout!,
      billing: { ...search!, hostname: 'billing.db.example.com' },
    };
    Object.assign(spec.services.checkout!, {
      max_connections: 41,
      priority: 7,
      allow: [{ principal: 'spiffe://shop/till' }],
    });
  });
  assert.deepEqual(lines(specOf(), after), [
    '+ services.billing',
    '~ services.checkout  max_connections: 40 → 41',
    '~ services.checkout  priority: 0 → 7',
    '~ services.checkout  allow[0].principal: "spiffe://shop/checkout" → "spiffe://shop/till"',
    '~ services.checkout  allow[1]: {"cidr":"10.1.0.0/16","user":"checkout","db":"orders"} → nothing',
    '- services.search',
  ]);
});
