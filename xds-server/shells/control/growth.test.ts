import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Plan, ServicePlan } from '../../pure/plan/plan.js';
import { beforeGrowth } from './growth.js';

const planWith = (limits: Record<string, number>): Plan => ({
  listeners: new Map(),
  targets: new Map(),
  observers: new Map(),
  tenants: new Map(),
  hostnames: new Map(),
  services: new Map(
    Object.entries(limits).map(([name, maxConnections]) => [name, { name, maxConnections } as ServicePlan]),
  ),
});

const limitsOf = ({ services }: Plan) =>
  Object.fromEntries([...services].map(([name, { maxConnections }]) => [name, maxConnections]));

test('a limit that grows waits, one that shrinks does not, and what comes or goes does so at once', () => {
  const before = planWith({ grows: 4, shrinks: 9, stays: 5, goes: 3 });
  const after = planWith({ grows: 7, shrinks: 2, stays: 5, comes: 6 });
  assert.deepEqual(limitsOf(beforeGrowth(after, before)), { grows: 4, shrinks: 2, stays: 5, comes: 6 });
});

test('where no limit grows the new plan itself is in force', () => {
  const after = planWith({ shrinks: 2, comes: 6 });
  assert.equal(beforeGrowth(after, planWith({ shrinks: 9 })), after);
});
