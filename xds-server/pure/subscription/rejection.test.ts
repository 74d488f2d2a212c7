import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Resource, TypeUrl } from '../snapshot/snapshot.js';
import { readRejection, showableMessage } from './rejection.js';
import { Subscription } from './subscription.js';

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

test('of a text that is cut off it is not known who else was refused', () => {
  const text = 'Error adding/updating cluster(s) service/a: no such thing, service/b...(truncated)';
  const { named, othersApplied } = readRejection(text, ['service/a', 'service/b', 'service/bc', 'service/c']);
  assert.deepEqual(named, ['service/a'], 'the last may be service/b, or service/bc');
  assert.equal(othersApplied, false);
});

test('those of whom a text that is cut off says nothing are sent again, and not taken for applied', () => {
  const names = ['service/a', 'service/b', 'service/c'];
  const subscription = new Subscription(TypeUrl.cluster, 'delta', { maxFallbacks: 0, maxUpdateBytes: 1e6 });
  const resources = names.map((name): [string, Resource] => [
    name,
    { name, version: '1', bytes: new Uint8Array(), owner: name },
  ]);
  subscription.requestDelta({ subscribe: [], unsubscribe: [], initialVersions: {}, nonce: '' });
  subscription.publish({ version: '1', resources: new Map(resources) }, names);
  const { nonce } = subscription.next('upserts');
  const error = 'Error adding/updating cluster(s) service/a: not good, service/b: not g...(truncated)';
  subscription.requestDelta({ subscribe: [], unsubscribe: [], initialVersions: {}, nonce, error });
  assert.equal(subscription.holds('service/c'), false);
  assert.deepEqual(subscription.next('upserts').changed, ['service/c']);
});

test('a text of megabytes is not searched for each of a thousand names', () => {
  const names = Array.from({ length: 1_000 }, (_, n) => `a${n}`);
  const before = performance.now();
  readRejection('a1 '.repeat(5 << 20), names);
  assert.ok(performance.now() - before < 1_000);
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
