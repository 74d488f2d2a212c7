import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSpec } from '../spec/parse-spec.js';
import { changed, yaml } from '../spec/sound-spec.js';
import type { Plan } from './plan.js';
import { planOf } from './plan-of.js';

function plan(text = yaml()): Plan {
  const parsed = parseSpec(text);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return planOf(parsed.spec);
}

test('a database is a target in each role that it has servers for, with a budget each', () => {
  assert.deepEqual(plan().targets.get('orders/replica'), {
    name: 'orders/replica',
    database: 'orders',
    role: 'replica',
    engine: 'postgres',
    endpoints: [{ host: '10.0.0.6', port: 5432 }],
    budget: 90,
    reserve: 10,
  });
  assert.deepEqual([...plan().targets.keys()], ['orders/primary', 'orders/replica', 'warehouse/primary']);
  assert.equal(plan().targets.get('warehouse/primary')?.version, '10.11');
});

test('a service has its limits, its target and the protocol of its engine', () => {
  assert.deepEqual(plan().services.get('search'), {
    name: 'search',
    hostname: 'search.orders.db.example.com',
    tenant: 'shop',
    target: 'orders/replica',
    protocol: 'postgres',
    cluster: 'service/search/orders/replica/f641c91a',
    maxConnections: 80,
    guaranteed: 0,
    killReserve: 0,
    maxQueue: 100,
    timeoutMs: 5000,
    priority: 0,
    limits: {},
    allow: [{ user: 'search' }],
    certificate: { chain: 'search.pem', key: 'search.key' },
  });
  assert.equal(plan().services.get('reports')?.protocol, 'mysql');
});

test('the limits of sessions are in milliseconds, and only those that are given', () => {
  const { services } = plan(changed('services.search.idle', { session_ms: 600_000, age_ms: 3_600_000 }));
  assert.deepEqual(services.get('search')?.limits, { idleSessionMs: 600_000, maxAgeMs: 3_600_000 });
});

test('host names are found in lower case', () => {
  const { hostnames, services } = plan(changed('services.reports.hostname', 'Reports.Example.COM'));
  assert.equal(hostnames.get('reports.example.com'), 'reports');
  assert.equal(services.get('reports')?.hostname, 'reports.example.com');
});

test('a listener has its address in parts, and its CA and default service only where given', () => {
  assert.deepEqual(plan().listeners.get('mysql'), {
    name: 'mysql',
    protocol: 'mysql',
    address: { host: '0.0.0.0', port: 3306 },
    certificate: { chain: 'front.pem', key: 'front.key' },
    defaultService: 'reports',
    allowPlaintext: false,
  });
  assert.equal(plan().listeners.get('pg')?.clientCa, 'clients.pem');
  assert.deepEqual(plan(changed('listeners.pg.address', '[::]:5432')).listeners.get('pg')?.address, {
    host: '::',
    port: 5432,
  });
});

test('a tenant without a limit has none', () => {
  assert.deepEqual(
    [...plan().tenants.values()],
    [{ name: 'analytics' }, { name: 'shop', maxConnections: 120 }],
  );
});

test('a plan holds no password and no place where one is', () => {
  assert.deepEqual(plan().observers.get('orders'), { database: 'orders', user: 'sluice_observer' });
});
