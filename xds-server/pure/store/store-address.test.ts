import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatStoreAddress, parseStoreAddress } from './store-address.js';

test('a store is read as it is written', () => {
  for (const text of [
    'dir:/var/lib/sluice',
    'dir:C:odd',
    'etcd:http://127.0.0.1:2379',
    'etcd:http://[::1]:2379',
    'etcd:https://etcd-0.example.com:2379,https://10.0.0.2:2379',
  ]) {
    const address = parseStoreAddress(text);
    assert.ok(typeof address !== 'string', text);
    assert.equal(formatStoreAddress(address), text);
  }
});

test('what is no store is refused, and what may be a password in it is not repeated', () => {
  for (const [text, words] of [
    ['', /expected dir:PATH or etcd:/],
    ['dir:', /expected dir:PATH or etcd:/],
    ['/var/lib/sluice', /expected dir:PATH or etcd:/],
    ['etcd:', /expected dir:PATH or etcd:/],
    ['consul:http://127.0.0.1:8500', /expected dir:PATH or etcd:/],
    ['etcd:127.0.0.1:2379', /expected URLs of etcd/],
    ['etcd:https://etcd', /expected URLs of etcd/],
    ['etcd:https://etcd:0', /expected URLs of etcd/],
    ['etcd:https://etcd:2379/path', /expected URLs of etcd/],
    ['etcd:https://etcd:2379,', /expected URLs of etcd/],
    ['etcd:http://localhost:2379', /loopback only/],
    ['etcd:http://10.0.0.1:2379', /loopback only/],
    ['etcd:http://127.0.0.1:2379,https://etcd:2379', /found both/],
    [`etcd:${Array(17).fill('https://a:1').join(',')}`, /at most 16/],
  ] as const) {
    const answer = parseStoreAddress(text);
    assert.ok(typeof answer === 'string', text);
    assert.match(answer, words);
  }
  assert.doesNotMatch(String(parseStoreAddress('etcd:https://root:hunter2@etcd:2379')), /hunter2/);
});
