import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from './nearest.js';

const fields = ['hostname', 'tenant', 'database', 'db_role', 'max_connections', 'timeout_ms'];

test('finds the field that was meant', () => {
  const slips = {
    databse: 'database',
    databsae: 'database',
    Tenant: 'tenant',
    'max-connections': 'max_connections',
    timeout: 'timeout_ms',
    dbrole: 'db_role',
  };
  for (const [slip, meant] of Object.entries(slips)) assert.equal(nearest(slip, fields), meant, slip);
});

test('offers nothing where nothing is near', () => {
  for (const text of ['', 'x', 'replicas', 'colour']) assert.equal(nearest(text, fields), undefined, text);
});

test('a very long text is compared by its beginning', () => {
  assert.equal(nearest('x'.repeat(1_000_000), fields), undefined);
});
