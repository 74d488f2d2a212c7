import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LedgerView } from '../../pure/ledger/view.js';
import type { Plan, ServicePlan } from '../../pure/plan/plan.js';
import { hasSettled, narrow, wide } from './limit-change.js';

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

const before = planWith({ grows: 4, shrinks: 9, stays: 5, goes: 3 });
const after = planWith({ grows: 7, shrinks: 2, stays: 5, comes: 6 });

test('the ledger goes by the smaller limit, the nodes have the larger one, and what comes or goes does so at once', () => {
  assert.deepEqual(limitsOf(narrow(after, before)), { grows: 4, shrinks: 2, stays: 5, comes: 6 });
  assert.deepEqual(limitsOf(wide(after, before)), { grows: 7, shrinks: 9, stays: 5, comes: 6 });
});

test('while a limit changes the kill reserve is the smaller one of old and new, which fits into either limit', () => {
  const one = (maxConnections: number, killReserve: number): Plan => {
    const plan = planWith({ one: maxConnections });
    return { ...plan, services: new Map([['one', { ...plan.services.get('one')!, killReserve }]]) };
  };
  const reserve = ({ services }: Plan) => services.get('one')!.killReserve;
  assert.equal(reserve(narrow(one(10, 3), one(2, 1))), 1);
  assert.equal(reserve(narrow(one(2, 1), one(10, 3))), 1);
  assert.equal(reserve(narrow(one(10, 3), one(10, 1))), 3);
});

test('where nothing is to be waited for the new plan itself is in force', () => {
  const grown = planWith({ stays: 5, grows: 7, comes: 6 });
  assert.equal(wide(grown, before), grown);
  const shrunk = planWith({ stays: 5, shrinks: 2, comes: 6 });
  assert.equal(narrow(shrunk, before), shrunk);
});

const ledgerWith = (used: number, granted: number): LedgerView =>
  ({ services: new Map([['one', { used, granted }]]) }) as unknown as LedgerView;

test('a smaller limit has settled when no grant is under way that does not fit into it', () => {
  const plan = planWith({ one: 4 });
  assert.equal(hasSettled(plan, ledgerWith(6, 1)), false);
  assert.equal(hasSettled(plan, ledgerWith(6, 0)), true, 'open sessions pass no breaker');
  assert.equal(hasSettled(plan, ledgerWith(4, 2)), true);
  assert.equal(hasSettled(plan, { services: new Map() } as unknown as LedgerView), true);
});
