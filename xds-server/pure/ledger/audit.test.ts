import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sketch } from '../../../test/simulation/sketch.js';
import { audit } from './audit.js';
import { Books } from './books.js';
import { adoptPlan } from './planning.js';

test('an audit finds a counter that is not what the records say', () => {
  const books = new Books();
  adoptPlan(books, sketch({ services: { checkout: { guaranteed: 2 } } }), 0, 0);
  assert.deepEqual(audit(books), []);
  books.target('orders/primary').used += 1;
  books.service('checkout').counts.closing -= 1;
  books.target('orders/primary').unusedGuarantees = 0;
  assert.deepEqual(audit(books), [
    'service checkout closing: is -1, should be 0',
    'target orders/primary used: is 1, should be 0',
    'target orders/primary unused guarantees: is 0, should be 2',
  ]);
});
