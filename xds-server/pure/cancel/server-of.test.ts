import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Plan, TargetPlan } from '../plan/plan.js';
import { serversOf, standsFor } from './server-of.js';

/** Hosts by target. */
function planOf(targets: Readonly<Record<string, readonly string[]>>): Plan {
  return {
    services: new Map([['reports', { target: 'reports/primary' }]]),
    targets: new Map(
      Object.entries(targets).map(([name, hosts]) => [
        name,
        { name, endpoints: hosts.map((host) => ({ host, port: 5432 })) } as unknown as TargetPlan,
      ]),
    ),
  } as unknown as Plan;
}

const hostsOf = (address: string, plan: Plan, service = 'checkout') =>
  serversOf(address, service, plan).map(({ endpoint }) => endpoint.host);

test('a server is one of the plan’s, however its address is written', () => {
  const plan = planOf({ 'orders/primary': ['10.0.0.5', '2001:DB8:0::5'] });
  assert.deepEqual(hostsOf('10.0.0.5:5432', plan), ['10.0.0.5']);
  assert.deepEqual(hostsOf('[2001:db8::5]:5432', plan), ['2001:DB8:0::5']);
});

test('an address that a node made up leads nowhere', () => {
  const plan = planOf({ 'orders/primary': ['10.0.0.5'] });
  for (const address of ['10.0.0.6:5432', '10.0.0.5:22', '10.0.0.5', '', 'orders:5432', ':5432'])
    assert.deepEqual(hostsOf(address, plan), [], address);
});

test('an address that is not written out may be that of each name with its port, the service’s own first', () => {
  const plan = planOf({
    'orders/primary': ['orders.internal', '10.0.0.5', 'standby.internal'],
    'reports/primary': ['reports.internal'],
  });
  const [first, ...others] = ['orders.internal', 'standby.internal', 'reports.internal'];
  assert.deepEqual(hostsOf('10.0.0.7:5432', plan), [first, ...others]);
  assert.deepEqual(hostsOf('10.0.0.7:5432', plan, 'reports'), [others[1], first, others[0]]);
  assert.deepEqual(hostsOf('10.0.0.5:5432', plan, 'reports'), ['10.0.0.5']);
  assert.deepEqual(hostsOf('10.0.0.7:22', plan), []);
});

test('a name stands for the addresses that it has, however they are written, and for no other', () => {
  const [server] = serversOf(
    '[2001:db8::7]:5432',
    'checkout',
    planOf({ 'orders/primary': ['orders.internal'] }),
  );
  assert.equal(standsFor(['10.0.0.7', '2001:DB8:0::7'], server!), true);
  assert.equal(standsFor(['10.0.0.7', '2001:db8::8'], server!), false);
  assert.equal(standsFor([], server!), false);
});
