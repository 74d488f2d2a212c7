import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linesOf, wordsOf } from './problems-of.js';
import { yaml } from './sound-spec.js';

test('refuses guaranteed shares that add up to more than the budget', () => {
  const text = yaml([
    ['services.checkout.guaranteed', 40],
    [
      'services.second',
      {
        hostname: 'second.example.com',
        tenant: 'analytics',
        database: 'orders',
        max_connections: 60,
        guaranteed: 51,
        allow: [{ user: 'x' }],
      },
    ],
  ]);
  assert.deepEqual(wordsOf(text), [
    'databases.orders: expected guaranteed shares of at most 90 in all, found 91 (checkout 40, second 51)',
  ]);
});

test('refuses a service that could never be served, because the shares of others are the whole budget', () => {
  const text = yaml([
    ['tenants.shop.max_connections', 90],
    ['services.checkout.max_connections', 90],
    ['services.checkout.guaranteed', 90],
    [
      'services.second',
      {
        hostname: 'second.example.com',
        tenant: 'analytics',
        database: 'orders',
        max_connections: 10,
        allow: [{ user: 'x' }],
      },
    ],
  ]);
  assert.deepEqual(wordsOf(text), [
    'services.second.guaranteed: expected at least 1, since the shares of the others are all of the budget of 90 and it would never be served, found 0',
  ]);
});

test('primary and replica have a budget each', () => {
  assert.deepEqual(
    linesOf(
      yaml([
        ['services.checkout.guaranteed', 40],
        ['services.search.guaranteed', 80],
      ]),
    ),
    [],
  );
});

test('a wildcard is somebody’s own, whatever the case, and leaves room for exact names within it', () => {
  const hostnames = (one: string, other: string) =>
    wordsOf(
      yaml([
        ['services.checkout.hostname', one],
        ['services.search.hostname', other],
      ]),
    );
  assert.deepEqual(hostnames('*.orders.db.example.com', 'search.orders.db.example.com'), []);
  assert.deepEqual(hostnames('*.orders.db.example.com', '*.db.example.com'), []);
  assert.deepEqual(hostnames('*.orders.db.example.com', '*.ORDERS.db.example.com'), [
    'services.search.hostname: expected a host name of its own, whatever the case, found that of service checkout',
  ]);
});

test('one server is one server, however its address is written', () => {
  const text = yaml([
    ['databases.orders.endpoints.0.host', '::1'],
    ['databases.orders.endpoints.1.host', '0:0::0:1'],
  ]);
  assert.deepEqual(wordsOf(text), [
    'databases.orders.endpoints[1]: expected a server of its own, found ::1 port 5432, which stands here already',
  ]);
});
