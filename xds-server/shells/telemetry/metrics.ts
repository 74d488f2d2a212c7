/**
 * The metrics: names, labels, units and buckets. What they mean to an operator is in docs/operations.md, which a
 * test holds against this file. Label values come only from the plan, from the table of refusals and from
 * the certificates of brains, never from a client, so a scanner cannot grow them; series of a removed service go with it.
 */
import { setImmediate } from 'node:timers/promises';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ActivityCounts } from '../../pure/activity/activity.js';
import type { Plan } from '../../pure/plan/plan.js';
import { TypeUrl } from '../../pure/snapshot/snapshot.js';
import type {
  ChannelStatus,
  LeadershipStatus,
  ServiceStatus,
  SpecStatus,
  TargetStatus,
} from '../../pure/status/status.js';
import { type Reason, reasons } from '../../pure/verdict/refusals.js';
import { WorkMetrics } from './work-metrics.js';

/** Read at each scrape, so that a gauge is never older than the scrape. */
export interface GaugeSource {
  services(): Iterable<ServiceStatus>;
  targets(): Iterable<TargetStatus>;
  /** Nodes with an open ADS stream. */
  nodes(): number;
  channel(): ChannelStatus;
  spec(): SpecStatus;
  leadership(): LeadershipStatus;
}

interface ServiceLabels {
  readonly tenant: string;
  readonly service: string;
  readonly database: string;
  readonly db_role: string;
}

export interface SessionEnd {
  readonly durationMs: number;
  /** SQLSTATE or errno by which its server turned it away; `''` without one. */
  readonly loginError: string | undefined;
  /** The limit of its own that ended it. */
  readonly endedBy: string | undefined;
}

/** Refusals that name no service of ours: all of them in one series for each reason. */
const nobody: ServiceLabels = { tenant: '', service: '', database: '', db_role: '' };

const byService = ['tenant', 'service', 'database', 'db_role'] as const;
const byTarget = ['database', 'db_role'] as const;

/** From a free slot (under a millisecond) to the longest queue (spec: timeout_ms ≤ 600,000). */
const waitBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600,
];
const sessionBuckets = [0.01, 0.1, 1, 10, 60, 300, 1800, 3600, 21_600, 86_400];
const convergenceBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Of the brain, as nodes call them. */
const methods = [
  'Check',
  'StreamAccessLogs',
  'DeltaAggregatedResources',
  'StreamAggregatedResources',
  'FindSession',
] as const;

const typeNames = new Map<string, string>(Object.entries(TypeUrl).map(([name, url]) => [url, name]));

export class Metrics {
  readonly #registry = new Registry();
  #services: ReadonlyMap<string, ServiceLabels> = new Map();
  /** As they are at this scrape, read once for all gauges. */
  #serviceRows: readonly ServiceStatus[] = [];
  #targetRows: readonly TargetStatus[] = [];
  readonly #gauges: GaugeSource;

  readonly #waits = new Histogram({
    name: 'sluice_wait_time_seconds',
    help: 'From a client’s connecting to its verdict, by outcome (grant, refuse).',
    labelNames: [...byService, 'outcome'],
    buckets: waitBuckets,
    registers: [this.#registry],
  });
  readonly #refusals = new Counter({
    name: 'sluice_refusals_total',
    help: 'Clients refused, by reason (docs/errors.md).',
    labelNames: [...byService, 'reason'],
    registers: [this.#registry],
  });
  readonly #sessions = new Histogram({
    name: 'sluice_session_duration_seconds',
    help: 'How long clients that were let in stayed connected.',
    labelNames: [...byService],
    buckets: sessionBuckets,
    registers: [this.#registry],
  });
  readonly #work = new WorkMetrics(this.#registry, byService);
  readonly #nacks = new Counter({
    name: 'sluice_xds_nacks_total',
    help: 'Configurations that a node rejected, by resource type.',
    labelNames: ['type'],
    registers: [this.#registry],
  });
  readonly #convergence = new Histogram({
    name: 'sluice_xds_convergence_seconds',
    help: 'From a published change to a node’s holding all of it, one observation a node and change.',
    buckets: convergenceBuckets,
    registers: [this.#registry],
  });
  readonly #specs = new Counter({
    name: 'sluice_spec_loads_total',
    help: 'Readings of the spec, by outcome (accepted, rejected).',
    labelNames: ['outcome'],
    registers: [this.#registry],
  });

  readonly #cancels = new Counter({
    name: 'sluice_cancels_total',
    help: 'Postgres cancel requests, by what became of them.',
    labelNames: ['outcome'],
    registers: [this.#registry],
  });
  readonly #strangers = new Counter({
    name: 'sluice_channel_refusals_total',
    help: 'Connections to the brain that were refused before they could ask anything, by reason.',
    labelNames: ['reason'],
    registers: [this.#registry],
  });
  readonly #exhausted = new Counter({
    name: 'sluice_calls_exhausted_total',
    help: 'Calls of nodes that were ended because a bound of the brain is reached, by method.',
    labelNames: ['method'],
    registers: [this.#registry],
  });
  readonly #forgeries = new Counter({
    name: 'sluice_forgeries_total',
    help: 'What a node said of a connection of another node, and was not believed (check, report, end).',
    labelNames: ['what'],
    registers: [this.#registry],
  });

  readonly #kills = new Counter({
    name: 'sluice_kills_total',
    help: 'MySQL KILLs of ids of the front, by what became of them.',
    labelNames: ['outcome'],
    registers: [this.#registry],
  });

  constructor(gauges: GaugeSource) {
    this.#gauges = gauges;
    collectDefaultMetrics({ register: this.#registry });
    // From the start, so that the first one is an increase.
    for (const what of ['check', 'report', 'end']) this.#forgeries.inc({ what }, 0);
    for (const method of methods) this.#exhausted.inc({ method }, 0);
    this.#serviceGauges();
    this.#targetGauges();
    this.#gauge('sluice_xds_nodes', 'Nodes with an open xDS stream.', [], (set) => set({}, gauges.nodes()));
    const leads = '1 while this brain may grant; over all brains never more than 1.';
    this.#gauge('sluice_leader', leads, [], (set) => {
      const { role, remaining_ms } = gauges.leadership();
      set({}, role === 'leader' && remaining_ms !== 0 ? 1 : 0);
    });
    const reached =
      '1 while this brain leads, or what its nodes ask reaches the leader; only of several brains.';
    this.#gauge('sluice_leader_reached', reached, [], (set) => {
      const { brain, role, link } = gauges.leadership();
      if (brain !== null) set({}, role === 'leader' || link?.open === true ? 1 : 0);
    });
    const followers = 'Nodes that each brain that follows this one speaks for; one series a follower.';
    this.#gauge('sluice_follower_nodes', followers, ['brain'], (set) => {
      for (const { brain, nodes } of gauges.leadership().followers) set({ brain }, nodes);
    });
    const etcd = '1 while etcd answers this brain; only where there is an etcd.';
    this.#gauge('sluice_etcd_up', etcd, [], (set) => {
      const { brain, etcd } = gauges.leadership();
      if (brain !== null) set({}, etcd ? 0 : 1);
    });
    const store = '1 while the store of specs is followed; only where there is one.';
    this.#gauge('sluice_store_up', store, [], (set) => {
      const { store: status } = gauges.spec();
      if (status) set({}, status.problem === null ? 1 : 0);
    });
    const newest = 'Newest revision that was seen in the store of specs, in force or not; 0: none.';
    this.#gauge('sluice_store_revision', newest, [], (set) => {
      const revision = gauges.spec().store?.revision ?? null;
      if (revision !== null) set({}, revision);
    });
    const inForce = 'Revision of the spec in force; only of one that comes from a store.';
    this.#gauge('sluice_spec_revision', inForce, [], (set) => {
      const { revision } = gauges.spec();
      if (revision !== null) set({}, revision);
    });
    const expiry = 'Seconds until the certificate ends with which the brain meets its nodes.';
    this.#gauge('sluice_channel_certificate_expiry_seconds', expiry, [], (set) => {
      const ends = gauges.channel().certificate_expires_at;
      if (ends !== null) set({}, (Date.parse(ends) - Date.now()) / 1000);
    });
  }

  /** From now on these services may be counted, and only these. */
  planned(plan: Plan): void {
    const services = new Map<string, ServiceLabels>();
    for (const { name, tenant, target } of plan.services.values()) {
      const of = plan.targets.get(target);
      services.set(name, { tenant, service: name, database: of?.database ?? '', db_role: of?.role ?? '' });
    }
    for (const [name, before] of this.#services) {
      const now = services.get(name);
      if (!now || byService.some((label) => now[label] !== before[label])) this.#forget(before);
    }
    this.#services = services;
  }

  granted(service: string, waitedMs: number): void {
    const labels = this.#services.get(service);
    if (labels) this.#waits.observe({ ...labels, outcome: 'grant' }, waitedMs / 1000);
  }

  /** @param service undefined where the client named none of ours. */
  refused(service: string | undefined, reason: Reason, waitedMs: number): void {
    const known = service === undefined ? undefined : this.#services.get(service);
    this.#refusals.inc({ ...(known ?? nobody), reason });
    if (known) this.#waits.observe({ ...known, outcome: 'refuse' }, waitedMs / 1000);
  }

  /** @param outcome one of a fixed few. */
  cancelled(outcome: string): void {
    this.#cancels.inc({ outcome });
  }

  /** @param outcome one of a fixed few. */
  killed(outcome: string): void {
    this.#kills.inc({ outcome });
  }

  /** What came to a session's counts. */
  worked(service: string, counts: ActivityCounts): void {
    const labels = this.#services.get(service);
    if (labels) this.#work.worked({ ...labels }, counts);
  }

  sessionEnded(service: string, { durationMs, loginError, endedBy }: SessionEnd): void {
    const labels = this.#services.get(service);
    if (!labels) return;
    this.#sessions.observe({ ...labels }, durationMs / 1000);
    if (loginError !== undefined) this.#work.loginFailed({ ...labels }, loginError);
    if (endedBy !== undefined) this.#work.cut({ ...labels }, endedBy);
  }

  nacked(typeUrl: string): void {
    this.#nacks.inc({ type: typeNames.get(typeUrl) ?? 'other' });
  }

  converged(seconds: number): void {
    this.#convergence.observe(seconds);
  }

  channelRefused(reason: string): void {
    this.#strangers.inc({ reason });
  }

  /** @param path of one of the brain's own methods, such as `/envoy.service.auth.v3.Authorization/Check`. */
  exhausted(path: string): void {
    this.#exhausted.inc({ method: path.slice(path.lastIndexOf('/') + 1) });
  }

  forged(what: 'check' | 'report' | 'end'): void {
    this.#forgeries.inc({ what });
  }

  specRead(outcome: 'accepted' | 'rejected'): void {
    this.#specs.inc({ outcome });
  }

  /** What a scrape reads, in the Prometheus text format. */
  async scrape(): Promise<{ readonly contentType: string; readonly text: string }> {
    this.#serviceRows = [...this.#gauges.services()];
    this.#targetRows = [...this.#gauges.targets()];
    const parts: string[] = [];
    for (const { name } of this.#registry.getMetricsAsArray()) {
      parts.push(await this.#registry.getSingleMetricAsString(name));
      // With a thousand services the whole would take long enough for clients to notice.
      await setImmediate();
    }
    return { contentType: this.#registry.contentType, text: `${parts.join('\n\n')}\n` };
  }

  #gauge(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: (set: (labels: Record<string, string>, value: number) => void) => void,
  ): void {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.#registry],
      collect() {
        this.reset();
        // Of a gauge without labels a reset makes a 0, which would be read as one.
        if (labelNames.length === 0) this.remove({});
        read((labels, value) => this.set(labels, value));
      },
    });
  }

  #serviceGauges(): void {
    const each = (name: string, help: string, value: (service: ServiceStatus) => number): void =>
      this.#gauge(name, help, byService, (set) => {
        for (const service of this.#serviceRows) {
          const labels = this.#services.get(service.service);
          if (labels) set({ ...labels }, value(service));
        }
      });
    each('sluice_pool_utilization', 'Slots taken by a service / its max_connections, 0 to 1.', (service) =>
      service.max_connections === 0 ? 0 : service.total / service.max_connections,
    );
    each('sluice_pool_limit', 'max_connections of a service.', (service) => service.max_connections);
    each(
      'sluice_grants',
      'Slots taken by a service: what counts against its limit.',
      (service) => service.total,
    );
    each('sluice_waiters', 'Clients of a service that wait for a slot.', (service) => service.waiting);
    this.#gauge(
      'sluice_sessions',
      'Slots of a service by state (granted, active, closing); they add up to sluice_grants.',
      [...byService, 'state'],
      (set) => {
        for (const service of this.#serviceRows) {
          const labels = this.#services.get(service.service);
          if (!labels) continue;
          for (const state of ['granted', 'active', 'closing'] as const)
            set({ ...labels, state }, service[state]);
        }
      },
    );
  }

  #targetGauges(): void {
    const each = (name: string, help: string, value: (target: TargetStatus) => number | undefined): void =>
      this.#gauge(name, help, byTarget, (set) => {
        for (const target of this.#targetRows) {
          const [database = '', db_role = ''] = target.target.split('/');
          const now = value(target);
          if (now !== undefined) set({ database, db_role }, now);
        }
      });
    each('sluice_budget_limit', 'Server connections that a database can give.', (target) => target.budget);
    each('sluice_budget_used', 'Of these, taken.', (target) => target.total + target.unclaimed);
    each(
      'sluice_budget_unclaimed',
      'Of the taken ones, sessions that the database shows and no node reports, beyond the reserve.',
      (target) => target.unclaimed,
    );
    each(
      'sluice_recovering',
      '1 while nothing is granted because sessions are yet to be counted.',
      (target) => (target.recovering ? 1 : 0),
    );
    each('sluice_observer_up', '1 while the database answers the observer.', (target) =>
      target.observer.state === 'ok' ? 1 : 0,
    );
  }

  #forget(labels: ServiceLabels): void {
    for (const outcome of ['grant', 'refuse']) this.#waits.remove({ ...labels, outcome });
    for (const reason of reasons) this.#refusals.remove({ ...labels, reason });
    this.#sessions.remove({ ...labels });
    this.#work.forget({ ...labels });
  }
}
