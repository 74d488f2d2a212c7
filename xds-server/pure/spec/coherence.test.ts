import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linesOf, wordsOf } from './problems-of.js';
import { changed, yaml } from './sound-spec.js';

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
    'databases.orders: expected guaranteed shares and kill reserves of at most 90 in all, found 91 (checkout 40, second 51)',
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

test('a kill reserve is part of max_connections, beside the guaranteed share', () => {
  const reports = 'services.reports';
  const problems = (reserve: number, guaranteed = 0) =>
    wordsOf(
      yaml([
        [`${reports}.kill_reserve`, reserve],
        [`${reports}.guaranteed`, guaranteed],
      ]),
    );
  assert.deepEqual(problems(19), []);
  assert.deepEqual(problems(2, 18), []);
  assert.deepEqual(problems(20), [
    'services.reports.kill_reserve: expected less than its max_connections of 20, found 20',
  ]);
  assert.deepEqual(problems(2, 19), [
    'services.reports.guaranteed: expected at most 18, its max_connections − kill_reserve, found 19',
  ]);
});

test('Postgres services have no kill reserve', () => {
  assert.deepEqual(wordsOf(changed('services.checkout.kill_reserve', 1)), [
    'services.checkout.kill_reserve: expected 0, since postgres clients cancel without a connection of their own, found 1',
  ]);
});

test('kill reserves leave something of a budget and of a tenant’s limit', () => {
  const reserves = (more: readonly (readonly [string, unknown])[]) =>
    wordsOf(
      yaml([
        ['databases.warehouse.capacity', 25],
        ['services.reports.kill_reserve', 10],
        [
          'services.second',
          {
            hostname: 'second.example.com',
            tenant: 'analytics',
            database: 'warehouse',
            max_connections: 20,
            kill_reserve: 10,
            allow: [{ user: 'x' }],
          },
        ],
        ...more,
      ]),
    );
  const never =
    'expected at least 1, since the shares of the others are all of the budget of 20 and it would never be served, found 0';
  assert.deepEqual(reserves([]), [
    `services.reports.guaranteed: ${never}`,
    `services.second.guaranteed: ${never}`,
  ]);
  assert.deepEqual(
    reserves([
      ['databases.warehouse.capacity', 60],
      ['tenants.analytics.max_connections', 20],
    ]),
    [
      'tenants.analytics.max_connections: expected more than 20, the kill reserves of its services, or nobody would ever be served, found 20',
    ],
  );
});
