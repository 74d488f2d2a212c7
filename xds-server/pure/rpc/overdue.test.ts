import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Overdue } from './overdue.js';

test('who is waited for longer than so many looks is due once, and nobody before', () => {
  const overdue = new Overdue<string>(2);
  overdue.begin('a');
  assert.deepEqual(overdue.look(), []);
  overdue.begin('b');
  assert.deepEqual([overdue.look(), overdue.look(), overdue.look(), overdue.look()], [[], ['a'], ['b'], []]);
});

test('who has come is not due, and begins anew with all of its time', () => {
  const overdue = new Overdue<string>(2);
  overdue.begin('a');
  overdue.begin('b');
  overdue.look();
  overdue.end('a');
  overdue.end('b');
  overdue.begin('a');
  assert.deepEqual([overdue.look(), overdue.look(), overdue.look()], [[], [], ['a']]);
});
