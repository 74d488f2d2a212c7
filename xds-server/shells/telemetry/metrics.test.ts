import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import type { Plan, ServicePlan } from '../../pure/plan/plan.js';
import { TypeUrl } from '../../pure/snapshot/snapshot.js';
import type { LeadershipStatus, ServiceStatus, SpecStatus, TargetStatus } from '../../pure/status/status.js';
import { reasons } from '../../pure/verdict/refusals.js';
import { Metrics } from './metrics.js';

const usage = { total: 8, granted: 1, active: 5, closing: 2, waiting: 3 };

const checkout: ServiceStatus = {
  ...usage,
  service: 'checkout',
  hostname: 'checkout.orders.db.example.com',
  tenant: 'shop',
  target: 'orders/primary',
  max_connections: 10,
  guaranteed: 0,
  kill_reserve: 0,
  max_queue: 100,
  timeout_ms: 5000,
  priority: 0,
  longest_wait_ms: 0,
  held_by: null,
};

let orders: TargetStatus = {
  ...usage,
  target: 'orders/primary',
  engine: 'postgres',
  endpoints: ['10.0.0.5:5432'],
  budget: 90,
  reserve: 10,
  unclaimed: 2,
  recovering: false,
  observer: { state: 'ok', age_ms: 10, problem: null, server_capacity: 97 },
};

const planWith = (...names: string[]): Plan => ({
  listeners: new Map(),
  observers: new Map(),
  tenants: new Map(),
  hostnames: new Map(),
  targets: new Map([
    [
      'orders/primary',
      {
        name: 'orders/primary',
        database: 'orders',
        role: 'primary',
        engine: 'postgres',
        endpoints: [],
        budget: 90,
        reserve: 10,
      },
    ],
  ]),
  services: new Map(
    names.map((name) => [name, { name, tenant: 'shop', target: 'orders/primary' } as ServicePlan]),
  ),
});

const channel = {
  tls: true,
  certificate_expires_at: new Date(Date.now() + 3_600_000).toISOString(),
  problems: [],
  warnings: [],
};

let expiriesMs = new Map([['listeners.pg.tls.certificate', Date.now() + 3_600_000]]);

const store = { revision: 12, problem: null, problem_since: null };

let spec: SpecStatus = {
  ...{ source: 'etcd:http://127.0.0.1:2379', revision: 11, store, version: 'v', loaded_at: null },
  ...{ problems: [], warnings: [] },
};

let leadership: LeadershipStatus = {
  ...{ brain: 'a', leader: 'a', address: null, role: 'leader', term: 17, remaining_ms: 900 },
  etcd: { problem: 'no answer', for_ms: 10 },
  followers: [{ brain: 'b', nodes: 3 }],
  link: null,
  namesake: null,
};

function metrics(): Metrics {
  const made = new Metrics({
    services: () => [checkout],
    targets: () => [orders],
    nodes: () => 2,
    channel: () => channel,
    spec: () => spec,
    expiriesMs: () => expiriesMs,
    leadership: () => leadership,
  });
  made.planned(planWith('checkout'));
  return made;
}

const ended = { durationMs: 1, loginError: undefined, endedBy: undefined };

const counts = {
  transactions: 3,
  queries: 5,
  errors: 1,
  transactionUs: 1_500_000,
  queryUs: 250_000,
  histogram: [1, 0, 2],
};

const lines = async (made: Metrics, start: string): Promise<string[]> =>
  (await made.scrape()).text.split('\n').filter((line) => line.startsWith(start));

const labels = 'tenant="shop",service="checkout",database="orders",db_role="primary"';

test('gauges are read at the scrape, by tenant, service and database', async () => {
  const made = metrics();
  assert.deepEqual(await lines(made, 'sluice_pool_utilization{'), [`sluice_pool_utilization{${labels}} 0.8`]);
  assert.deepEqual(await lines(made, 'sluice_grants{'), [`sluice_grants{${labels}} 8`]);
  assert.deepEqual(await lines(made, 'sluice_waiters{'), [`sluice_waiters{${labels}} 3`]);
  assert.deepEqual(await lines(made, 'sluice_sessions{'), [
    `sluice_sessions{${labels},state="granted"} 1`,
    `sluice_sessions{${labels},state="active"} 5`,
    `sluice_sessions{${labels},state="closing"} 2`,
  ]);
  assert.deepEqual(await lines(made, 'sluice_budget_used{'), [
    'sluice_budget_used{database="orders",db_role="primary"} 10',
  ]);
  assert.deepEqual(await lines(made, 'sluice_observer_up{'), [
    'sluice_observer_up{database="orders",db_role="primary"} 1',
  ]);
  assert.deepEqual(await lines(made, 'sluice_xds_nodes '), ['sluice_xds_nodes 2']);
});

test('what a server lacks of the spec’s capacity is told once it was asked, and 0 where it lacks nothing', async () => {
  const before = orders;
  const told = async (server_capacity: number | null): Promise<string[]> => {
    orders = { ...before, observer: { ...before.observer, server_capacity } };
    return lines(metrics(), 'sluice_capacity_shortfall{');
  };
  const labelled = (value: number) => [
    `sluice_capacity_shortfall{database="orders",db_role="primary"} ${value}`,
  ];
  assert.deepEqual(await told(null), []);
  assert.deepEqual(await told(97), labelled(3));
  assert.deepEqual(await told(100), labelled(0));
  assert.deepEqual(await told(500), labelled(0));
  orders = before;
});

test('the certificates of the spec are told by their places, by every brain, and go with them', async () => {
  const before = [expiriesMs, leadership] as const;
  const told = async (): Promise<(readonly [string, number])[]> =>
    (await lines(metrics(), 'sluice_certificate_expiry_seconds{')).map((line) => {
      const [, path = '', value] = /\{path="([^"]+)"\} (\S+)$/.exec(line) ?? [];
      return [path, Math.round(Number(value) / 60)] as const;
    });
  expiriesMs = new Map([
    ['listeners.pg.tls.certificate', Date.now() + 3_600_000],
    ['databases.orders.tls.ca', Date.now() - 120_000],
  ]);
  leadership = { ...leadership, role: 'follower' };
  assert.deepEqual(await told(), [
    ['listeners.pg.tls.certificate', 60],
    ['databases.orders.tls.ca', -2],
  ]);
  expiriesMs = new Map();
  assert.deepEqual(await told(), []);
  [expiriesMs, leadership] = before;
});

test('waits are counted in seconds by outcome, refusals by reason', async () => {
  const made = metrics();
  made.granted('checkout', 30);
  made.refused('checkout', 'queue_full', 2000);
  assert.deepEqual(await lines(made, 'sluice_wait_time_seconds_sum'), [
    `sluice_wait_time_seconds_sum{${labels},outcome="grant"} 0.03`,
    `sluice_wait_time_seconds_sum{${labels},outcome="refuse"} 2`,
  ]);
  assert.deepEqual(await lines(made, 'sluice_refusals_total{'), [
    `sluice_refusals_total{${labels},reason="queue_full"} 1`,
  ]);
});

test('what clients, nodes and bugs invent makes no new series', async () => {
  const made = metrics();
  for (let n = 0; n < 1000; n += 1) {
    made.refused(`invented-${n}`, 'unknown_hostname', 1);
    made.refused(undefined, 'unknown_hostname', 1);
    made.granted(`invented-${n}`, 1);
    made.sessionEnded(`invented-${n}`, { ...ended, loginError: '28P01' });
    made.worked(`invented-${n}`, counts);
    made.sessionEnded('checkout', { ...ended, endedBy: `invented-${n}` });
    made.nacked(`type.googleapis.com/invented.${n}`);
  }
  const nobody = 'tenant="",service="",database="",db_role=""';
  assert.deepEqual(await lines(made, 'sluice_refusals_total{'), [
    `sluice_refusals_total{${nobody},reason="unknown_hostname"} 2000`,
  ]);
  assert.deepEqual(await lines(made, 'sluice_wait_time_seconds_count'), []);
  assert.deepEqual(await lines(made, 'sluice_xds_nacks_total{'), [
    'sluice_xds_nacks_total{type="other"} 1000',
  ]);
});

test('a brain leads only while its term lasts, and etcd is named only where there is one', async () => {
  const told = async (now: Partial<LeadershipStatus>): Promise<string[]> => {
    leadership = { ...leadership, ...now };
    const { text } = await metrics().scrape();
    return text.match(/^sluice_(leader|etcd_up) .*$/gm) ?? [];
  };
  assert.deepEqual(await told({ etcd: null }), ['sluice_leader 1', 'sluice_etcd_up 1']);
  const etcd = { problem: 'no answer', for_ms: 10 };
  assert.deepEqual(await told({ etcd, remaining_ms: 0 }), ['sluice_leader 0', 'sluice_etcd_up 0']);
  assert.deepEqual(await told({ role: 'follower', remaining_ms: null }), [
    'sluice_leader 0',
    'sluice_etcd_up 0',
  ]);
  const alone = { brain: null, etcd: null, role: 'leader' } as const;
  assert.deepEqual(await told(alone), ['sluice_leader 1']);
  leadership = { ...leadership, brain: 'a' };
});

test('what is counted at services and databases is told by the brain that leads alone', async () => {
  const counted = /^sluice_(pool|grants|sessions|waiters|budget|recovering|observer|capacity)\w*\{/m;
  const before = leadership;
  for (const role of ['follower', 'none'] as const) {
    leadership = { ...before, role, remaining_ms: null };
    assert.doesNotMatch((await metrics().scrape()).text, counted, role);
  }
  leadership = { ...before, role: 'leader' };
  assert.match((await metrics().scrape()).text, counted);
});

test('what sessions did is added up by service', async () => {
  const made = metrics();
  made.worked('checkout', counts);
  made.worked('checkout', { ...counts, histogram: [0, 1], transactionUs: 500_000 });
  const start = 'sluice_transaction_time_seconds';
  const buckets = await lines(made, `${start}_bucket`);
  assert.equal(buckets.length, 16);
  assert.deepEqual(buckets.slice(0, 4), [
    `${start}_bucket{le="0.0005",${labels}} 1`,
    `${start}_bucket{le="0.001",${labels}} 2`,
    `${start}_bucket{le="0.0025",${labels}} 4`,
    `${start}_bucket{le="0.005",${labels}} 4`,
  ]);
  assert.equal(buckets.at(-1), `${start}_bucket{le="+Inf",${labels}} 4`);
  assert.deepEqual(await lines(made, `${start}_sum`), [`${start}_sum{${labels}} 2`]);
  assert.deepEqual(await lines(made, `${start}_count`), [`${start}_count{${labels}} 4`]);
  for (const [name, value] of [
    ['sluice_transactions_total', 6],
    ['sluice_queries_total', 10],
    ['sluice_query_errors_total', 2],
    ['sluice_query_time_seconds_total', 0.5],
  ])
    assert.deepEqual(await lines(made, `${name}{`), [`${name}{${labels}} ${value}`]);
});

test('a failed login and a session that was cut are counted by their kind', async () => {
  const made = metrics();
  for (const error of ['28P01', '1045', '3D000', '53300', '1040', '57P03', 'XX000', ''])
    made.sessionEnded('checkout', { ...ended, loginError: error });
  for (const endedBy of ['idle_transaction', 'login_deadline'])
    made.sessionEnded('checkout', { ...ended, endedBy });
  const failed = (reason: string, count: number) =>
    `sluice_logins_failed_total{${labels},reason="${reason}"} ${count}`;
  assert.deepEqual(await lines(made, 'sluice_logins_failed_total{'), [
    failed('credentials', 2),
    failed('database', 1),
    failed('capacity', 2),
    failed('unavailable', 1),
    failed('other', 2),
  ]);
  assert.deepEqual(await lines(made, 'sluice_sessions_cut_total{'), [
    `sluice_sessions_cut_total{${labels},limit="idle_transaction"} 1`,
    `sluice_sessions_cut_total{${labels},limit="login_deadline"} 1`,
  ]);
});

test('a removed service takes its series with it, and no other', async () => {
  const made = metrics();
  made.planned(planWith('checkout', 'search'));
  for (const service of ['checkout', 'search']) {
    made.granted(service, 1);
    made.refused(service, 'queue_full', 1);
    made.sessionEnded(service, { durationMs: 1, loginError: '28P01', endedBy: 'max_age' });
    made.worked(service, counts);
  }
  made.planned(planWith('checkout'));
  const text = (await made.scrape()).text;
  assert.doesNotMatch(text, /service="search"/);
  assert.match(text, /sluice_session_duration_seconds_count\{[^}]*service="checkout"[^}]*\} 1/);
});

test('rejections are counted by the type’s short name', async () => {
  const made = metrics();
  made.nacked(TypeUrl.cluster);
  assert.deepEqual(await lines(made, 'sluice_xds_nacks_total{'), [
    'sluice_xds_nacks_total{type="cluster"} 1',
  ]);
});

test('calls that were ended at a bound are counted by method', async () => {
  const made = metrics();
  made.exhausted('/envoy.service.auth.v3.Authorization/Check');
  assert.deepEqual(
    (await lines(made, 'sluice_calls_exhausted_total{')).filter((line) => !line.endsWith(' 0')),
    ['sluice_calls_exhausted_total{method="Check"} 1'],
  );
});

test('docs/operations.md describes every metric that is exported, and no other', async () => {
  const exported = (await metrics().scrape()).text.match(/^# TYPE sluice_\S+/gm) ?? [];
  const names = exported.map((line) => line.replace('# TYPE ', ''));
  const page = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const described = [...page.matchAll(/^\| `(sluice_\w+)/gm)].map(([, name]) => name!);
  assert.deepEqual(described.sort(), names.sort());
});

test('the alerts in docs/operations.md ask for metrics, labels and reasons that there are', async () => {
  const made = metrics();
  for (const reason of reasons) made.refused('checkout', reason, 1);
  made.granted('checkout', 1);
  made.nacked(TypeUrl.cluster);
  for (const outcome of ['accepted', 'rejected'] as const) made.specRead(outcome);
  const { text } = await made.scrape();
  const page = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const [, alerts = ''] = /## Alerts\n\n```yaml\n([^`]+)```/.exec(page) ?? [];
  const { groups } = parse(alerts) as { groups: { rules: { alert: string; expr: string }[] }[] };
  const rules = groups.flatMap((group) => group.rules);
  assert.ok(rules.length > 5);
  for (const { alert, expr } of rules) {
    for (const [, name, , matchers = ''] of expr.matchAll(/(sluice_\w+)({([^}]*)})?/g)) {
      const series = text
        .split('\n')
        .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
      assert.ok(series.length > 0, `${alert}: ${name}`);
      for (const [, label, values = ''] of matchers.matchAll(/(\w+)=~?"([^"]+)"/g))
        for (const value of values.split('|'))
          assert.ok(
            series.some((line) => line.includes(`${label}="${value}"`)),
            `${alert}: ${label} ${value}`,
          );
    }
  }
});

test('a store is up or not, at a revision, beside the one in force; a file is none of it', async () => {
  const told = async (change: Partial<SpecStatus>): Promise<string[]> => {
    spec = { ...spec, ...change };
    const { text } = await metrics().scrape();
    return text.match(/^sluice_(store_up|store_revision|spec_revision) .*$/gm) ?? [];
  };
  assert.deepEqual(await told({ revision: null, store: null }), []);
  assert.deepEqual(await told({ revision: 11, store }), [
    'sluice_store_up 1',
    'sluice_store_revision 12',
    'sluice_spec_revision 11',
  ]);
  const lost = { revision: null, problem: 'no answer', problem_since: '2026-01-01T00:00:00.000Z' };
  assert.deepEqual(await told({ revision: null, store: lost }), ['sluice_store_up 0']);
});
