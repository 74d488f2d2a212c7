import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrivenLedger } from '../../../test/simulation/driven-ledger.js';
import type { ClientAddress } from '../../pure/activity/activity-book.js';
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

interface Given {
  readonly ledger?: Ledger;
  readonly clients?: ReadonlyMap<string, ClientAddress>;
  readonly namesake?: string;
}

function brainStatus(
  leadership: Leadership,
  brain?: string,
  { ledger = new Ledger(defaultSettings), clients = new Map(), namesake }: Given = {},
): BrainStatus {
  const nobody = { trouble: undefined, followers: [], link: undefined, unreachedForMs: 0, nowMs: 0 };
  return new BrainStatus({
    version: '0.1.0',
    startedAt: new Date(0),
    now: () => 0,
    spec: () => ({}) as SpecStatus,
    channel: () => ({ tls: false, certificate_expires_at: null, problems: [], warnings: [] }),
    plan: () => plan,
    ledger: (options) => ledger.view(options),
    activity: () => undefined,
    client: (connection) => clients.get(connection),
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
  assert.deepEqual(brainStatus({ kind: 'nobody' }, 'a', { namesake: '10.0.0.2:18000' }).missing(), [
    'another process leads as brain a, at 10.0.0.2:18000 (an earlier run of this one, for some seconds, or one that was given its id)',
  ]);
});

const all = { offset: 0, limit: 10 };

test('a session is shown with its client’s address, and with the account that the database surely shows for it', () => {
  const driven = DrivenLedger.recovered({ services: { checkout: {} } });
  driven.check('granted');
  driven.open('logging in', 11);
  driven.open('open', 12);
  driven.observed([{ serverId: 11 }, { serverId: 12, user: 'ann' }, { serverId: 13, user: 'bob' }]);
  const clients = new Map([
    ['logging in', { host: '10.1.2.3', port: 50_412 }],
    ['open', { host: '2001:db8::7', port: 50_413 }],
  ]);
  const { rows } = brainStatus(alone, undefined, { ledger: driven.ledger, clients }).sessions(all);
  assert.deepEqual(
    rows.map(({ connection, state, user, client }) => ({ connection, state, user, client })),
    [
      { connection: 'granted', state: 'granted', user: null, client: null },
      { connection: 'logging in', state: 'active', user: null, client: '10.1.2.3:50412' },
      { connection: 'open', state: 'active', user: 'ann', client: '[2001:db8::7]:50413' },
    ],
  );
});

test('a client that waits is shown with where it comes from', () => {
  const driven = DrivenLedger.recovered({ services: { checkout: { maxConnections: 1 } } });
  driven.open('open', 11);
  driven.check('a', 'checkout', 0, '10.1.2.3');
  driven.check('b', 'checkout', 0, '2001:db8::');
  driven.check('c');
  const { rows } = brainStatus(alone, undefined, { ledger: driven.ledger }).waiting(all);
  assert.deepEqual(
    rows.map(({ connection, client }) => [connection, client]),
    [
      ['a', '10.1.2.3'],
      ['b', '2001:db8::/64'],
      ['c', null],
    ],
  );
});
