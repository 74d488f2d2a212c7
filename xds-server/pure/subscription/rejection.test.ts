import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readRejection, showableMessage } from './rejection.js';

test('the names in a text are found as a whole, not as parts of longer ones', () => {
  const text = 'Error adding/updating cluster(s) service/ab: no such thing, x.service/a.b: nor this';
  assert.deepEqual(readRejection(text, ['service/a', 'service/ab', 'service/b', 'x.service/a.b']).named, [
    'service/ab',
    'x.service/a.b',
  ]);
});

test('a name at the end of a sentence, in quotes or in brackets is found', () => {
  for (const text of ['I refuse service/a.', '(name: "service/a")', 'service/a', 'service/a, service/b'])
    assert.deepEqual(readRejection(text, ['service/a']).named, ['service/a'], text);
});

test('the empty name is named by nobody', () => {
  assert.deepEqual(readRejection('bad', ['']).named, []);
});

test('only the text of one by one says that the others were applied, and only if it names one', () => {
  const text = 'Error adding/updating listener(s) pg: address in use';
  assert.equal(readRejection(text, ['pg', 'mysql']).othersApplied, true);
  assert.equal(readRejection(text, ['mysql']).othersApplied, false);
  assert.equal(readRejection('Invalid listener pg', ['pg', 'mysql']).othersApplied, false);
});

test('of a refused secret nothing is shown from where Envoy begins to quote it', () => {
  const shown = showableMessage('Failed to load private key: -----BEGIN KEY-----\nabc', true);
  assert.doesNotMatch(shown, /abc|BEGIN/);
  assert.match(shown, /^Failed to load/);
  assert.doesNotMatch(showableMessage('no good: tls_certificate { private_key: 1234 }', true), /1234/);
});

test('a long text is cut', () => {
  assert.ok(showableMessage('x'.repeat(10_000), false).length < 2_000);
});
