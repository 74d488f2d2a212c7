import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alone, type Leadership } from '../../pure/leadership/leadership.js';
import { Ledger } from '../../pure/ledger/ledger.js';
import { defaultSettings } from '../../pure/ledger/settings.js';
import { planOf } from '../../pure/plan/plan-of.js';
import { parseSpec } from '../../pure/spec/parse-spec.js';
import { yaml } from '../../pure/spec/sound-spec.js';
import type { SpecStatus, Status } from '../../pure/status/status.js';
import { BrainStatus } from './brain-status.js';
import { leadershipStatus } from './leadership-status.js';

const parsed = parseSpec(yaml());
assert.ok(parsed.ok);
const plan = planOf(parsed.spec);

function brainStatus(leadership: Leadership, brain: string | undefined, namesake?: string): BrainStatus {
  const nobody = { trouble: undefined, followers: [], link: undefined, unreachedForMs: 0, nowMs: 0 };
  return new BrainStatus({
    version: '0.1.0',
    startedAt: new Date(0),
    now: () => 0,
    spec: () => ({}) as SpecStatus,
    channel: () => ({ tls: false, certificate_expires_at: null, problems: [], warnings: [] }),
    plan: () => plan,
    ledger: (options) => new Ledger(defaultSettings).view(options),
    activity: () => undefined,
    observer: () => undefined,
    nodes: () => [],
    leadership: () => leadershipStatus({ ...nobody, leadership, brain, namesake }),
  });
}

const statusOf = (leadership: Leadership, brain: string | undefined): Status =>
  brainStatus(leadership, brain).status();

const counted = {
  targets: 'total granted active closing waiting unclaimed recovering observer',
  services: 'total granted active closing waiting longest_wait_ms held_by',
  tenants: 'total waiting',
} as const;

const another: Leadership = { kind: 'follower', brain: 'b', address: '10.0.0.2:18000', term: 7 };

test('a brain that does not lead shows what the plan says, and null for all that only the leader counts', () => {
  const leads = statusOf(alone, undefined);
  for (const leadership of [another, { kind: 'nobody' }] as const) {
    const status = statusOf(leadership, 'a');
    for (const [list, fields] of Object.entries(counted) as [keyof typeof counted, string][]) {
      assert.equal(status[list].length, plan[list].size, list);
      for (const row of status[list]) {
        const unknown = Object.entries(row).filter(([field]) => fields.split(' ').includes(field));
        assert.deepEqual(
          Object.fromEntries(unknown),
          Object.fromEntries(fields.split(' ').map((field) => [field, null])),
          list,
        );
      }
    }
    assert.deepEqual(Object.keys(status.targets[0]!).sort(), Object.keys(leads.targets[0]!).sort());
    assert.deepEqual(Object.keys(status.services[0]!).sort(), Object.keys(leads.services[0]!).sort());
    assert.deepEqual(
      [status.services, leads.services].map((rows) => rows.map((row) => row.max_connections)),
      Array(2).fill([...plan.services.values()].map(({ maxConnections }) => maxConnections)),
    );
    assert.equal(status.tenants.find(({ tenant }) => tenant === 'shop')?.max_connections, 120);
  }
  assert.deepEqual([leads.targets[0]?.total, leads.targets[0]?.recovering], [0, true]);
});

test('what a brain that is not ready lacks is a leader, or an id that nobody else has', () => {
  assert.deepEqual(brainStatus({ kind: 'nobody' }, 'a').missing(), ['no brain leads']);
  assert.deepEqual(brainStatus({ kind: 'nobody' }, 'a', '10.0.0.2:18000').missing(), [
    'another process leads as brain a, at 10.0.0.2:18000 (an earlier run of this one, for some seconds, or one that was given its id)',
  ]);
});
