import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asksForTls, clusterName } from './cluster-name.js';

const one = { host: '10.0.0.5', port: 5432 };
const other = { host: '10.0.0.6', port: 5432 };

test('the name of a cluster tells service, target and servers, in any order', () => {
  const name = clusterName('checkout', 'orders/primary', [one, other], false);
  assert.equal(name, clusterName('checkout', 'orders/primary', [other, one], false));
  assert.match(name, /^service\/checkout\/orders\/primary\/[0-9a-f]{8}$/);
});

test('wherever else it leads is another name', () => {
  const names = [
    clusterName('checkout', 'orders/primary', [one], false),
    clusterName('search', 'orders/primary', [one], false),
    clusterName('checkout', 'orders/replica', [one], false),
    clusterName('checkout', 'users/primary', [one], false),
    clusterName('checkout', 'orders/primary', [other], false),
    clusterName('checkout', 'orders/primary', [one, other], false),
    clusterName('checkout', 'orders/primary', [{ ...one, port: 5433 }], false),
    clusterName('checkout', 'orders/primary', [one], true),
  ];
  assert.equal(new Set(names).size, names.length);
});

test('a cluster in which TLS is asked for is told by its name', () => {
  assert.equal(asksForTls(clusterName('checkout', 'orders/primary', [one], true)), true);
  assert.equal(asksForTls(clusterName('tls', 'tls/primary', [one], false)), false);
});
