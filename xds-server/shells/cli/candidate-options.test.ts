import assert from 'node:assert/strict';
import { test } from 'node:test';
import { candidateOf } from './candidate-options.js';

const xds = { host: '10.0.0.1', port: 18_000 };
const anywhere = { host: '0.0.0.0', port: 18_000 };

test('a brain on etcd needs a name, and an address that others can dial', () => {
  assert.deepEqual(candidateOf({ brain: 'a' }, true, xds), { brain: 'a', address: '10.0.0.1:18000' });
  const advertise = { host: 'brain-a.example.com', port: 18_000 };
  assert.deepEqual(candidateOf({ brain: 'a', advertise }, true, anywhere), {
    brain: 'a',
    address: 'brain-a.example.com:18000',
  });
  assert.match(String(candidateOf({}, true, xds)), /expected --brain with --store etcd/);
  assert.match(
    String(candidateOf({ brain: 'a' }, true, anywhere)),
    /found none, and 0\.0\.0\.0:18000 is --xds/,
  );
  const nowhere = { host: '::', port: 18_000 };
  assert.match(String(candidateOf({ brain: 'a', advertise: nowhere }, true, xds)), /found \[::\]:18000/);
  assert.match(String(candidateOf({ brain: 'a' }, true, { ...xds, port: 0 })), /expected --advertise/);
});

test('a brain that is alone has neither', () => {
  assert.equal(candidateOf({}, false, xds), undefined);
  for (const option of [{ brain: 'a' }, { advertise: xds }])
    assert.match(String(candidateOf(option, false, xds)), /with --store etcd:… only/);
});
