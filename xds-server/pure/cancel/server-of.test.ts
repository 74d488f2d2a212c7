import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Plan, TargetPlan } from '../plan/plan.js';
import { serverOf } from './server-of.js';

function planOf(hosts: readonly string[]): Plan {
  const target = {
    name: 'orders/primary',
    endpoints: hosts.map((host) => ({ host, port: 5432 })),
  } as unknown as TargetPlan;
  return { targets: new Map([[target.name, target]]) } as unknown as Plan;
}

test('a server is one of the plan’s, however its address is written', () => {
  const plan = planOf(['10.0.0.5', '2001:DB8:0::5']);
  assert.equal(serverOf('10.0.0.5:5432', plan)?.endpoint.host, '10.0.0.5');
  assert.equal(serverOf('[2001:db8::5]:5432', plan)?.endpoint.host, '2001:DB8:0::5');
});

test('an address that a node made up leads nowhere', () => {
  const plan = planOf(['10.0.0.5']);
  for (const address of ['10.0.0.6:5432', '10.0.0.5:22', '10.0.0.5', '', 'orders:5432', ':5432'])
    assert.equal(serverOf(address, plan), undefined, address);
});

test('a name may stand for any address with its port, behind all that are written out', () => {
  const server = serverOf('10.0.0.7:5432', planOf(['orders.internal', '10.0.0.5']));
  assert.deepEqual([server?.endpoint.host, server?.host], ['orders.internal', '10.0.0.7']);
  assert.equal(serverOf('10.0.0.5:5432', planOf(['orders.internal', '10.0.0.5']))?.endpoint.host, '10.0.0.5');
});
