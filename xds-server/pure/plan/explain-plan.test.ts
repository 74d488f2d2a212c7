import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSpec } from '../spec/parse-spec.js';
import { changed, yaml } from '../spec/sound-spec.js';
import { explainPlan } from './explain-plan.js';
import { planOf } from './plan-of.js';

function explained(text: string): readonly string[] {
  const parsed = parseSpec(text);
  assert.ok(parsed.ok);
  return explainPlan(planOf(parsed.spec));
}

test('says for each target what there is and who may take how much', () => {
  assert.deepEqual(explained(yaml()), [
    'database orders/primary (postgres at 10.0.0.5 port 5432): capacity 100, reserve 10, budget 90',
    '  1 service: limits 40 = 44 % of the budget; guaranteed 10',
    '  service checkout (checkout.orders.db.example.com, tenant shop): at most 40, guaranteed 10, queue 100 for 5000 ms, priority 0',
    'database orders/replica (postgres at 10.0.0.6 port 5432): capacity 100, reserve 10, budget 90',
    '  1 service: limits 80 = 89 % of the budget; guaranteed 0',
    '  service search (search.orders.db.example.com, tenant shop): at most 80, guaranteed 0, queue 100 for 5000 ms, priority 0',
    'database warehouse/primary (mariadb 10.11 at warehouse.example.com port 3306): capacity 60, reserve 5, budget 55',
    '  1 service: limits 20 = 36 % of the budget; guaranteed 0',
    '  service reports (reports.db.example.com, tenant analytics): at most 20, guaranteed 0, queue 100 for 5000 ms, priority 0',
    'tenant analytics: no limit of its own, 1 service with limits of 20 in all',
    'tenant shop: at most 120, 2 services with limits of 120 in all',
    'listener mysql: mysql on 0.0.0.0 port 3306, default reports',
    'listener pg: postgres on 0.0.0.0 port 5432, refuses clients without a server name',
  ]);
});

test('says by how much a target is oversubscribed', () => {
  const second = {
    hostname: 'second.example.com',
    tenant: 'analytics',
    database: 'orders',
    max_connections: 80,
    allow: [{ user: 'x' }],
  };
  const lines = explained(changed('services.second', second));
  assert.equal(
    lines[1],
    '  2 services: limits 120 = 1.33 × the budget: oversubscribed, they share it; guaranteed 10',
  );
});

test('says that nobody uses a target', () => {
  assert.equal(explained(changed('services.search.db_role', 'primary'))[5], '  no service uses it');
});

test('says how much of a limit is kept for KILL', () => {
  assert.match(
    explained(changed('services.reports.kill_reserve', 2)).join('\n'),
    /service reports .*: at most 20 \(2 of them to KILL\), guaranteed 0/,
  );
});
