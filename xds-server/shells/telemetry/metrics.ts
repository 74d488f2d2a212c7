/**
 * The metrics: names, labels, units and buckets. Here is what is counted; what is read at a scrape is in gauges.ts, what
 * sessions do in work-metrics.ts. What they mean to an operator is in docs/operations.md, and a test holds that
 * against them. Label values come only from the plan, from the table of refusals and from the certificates of brains,
 * never from a client, so a scanner cannot grow them; series of a removed service go with it.
 */
import { setImmediate } from 'node:timers/promises';
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import type { ActivityCounts } from '../../pure/activity/activity.js';
import type { Plan } from '../../pure/plan/plan.js';
import { TypeUrl } from '../../pure/snapshot/snapshot.js';
import { type Reason, reasons } from '../../pure/verdict/refusals.js';
import { type GaugeSource, Gauges } from './gauges.js';
import { byService, type ServiceLabels } from './service-labels.js';
import { WorkMetrics } from './work-metrics.js';

export interface SessionEnd {
  readonly durationMs: number;
  /** SQLSTATE or errno by which its server turned it away; `''` without one. */
  readonly loginError: string | undefined;
  /** The limit of its own that ended it. */
  readonly endedBy: string | undefined;
}

/** Refusals that name no service of ours: all of them in one series for each reason. */
const nobody: ServiceLabels = { tenant: '', service: '', database: '', db_role: '' };

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
  'Surplus',
  'Follow',
] as const;

const typeNames = new Map<string, string>(Object.entries(TypeUrl).map(([name, url]) => [url, name]));

export class Metrics {
  readonly #registry = new Registry();
  readonly #gauges: Gauges;
  #services: ReadonlyMap<string, ServiceLabels> = new Map();

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
    this.#gauges = new Gauges(this.#registry, gauges, (service) => this.#services.get(service));
    collectDefaultMetrics({ register: this.#registry });
    // From the start, so that the first one is an increase.
    for (const what of ['check', 'report', 'end']) this.#forgeries.inc({ what }, 0);
    for (const method of methods) this.#exhausted.inc({ method }, 0);
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
    this.#gauges.look();
    const parts: string[] = [];
    for (const { name } of this.#registry.getMetricsAsArray()) {
      parts.push(await this.#registry.getSingleMetricAsString(name));
      // With a thousand services the whole would take long enough for clients to notice.
      await setImmediate();
    }
    return { contentType: this.#registry.contentType, text: `${parts.join('\n\n')}\n` };
  }

  #forget(labels: ServiceLabels): void {
    for (const outcome of ['grant', 'refuse']) this.#waits.remove({ ...labels, outcome });
    for (const reason of reasons) this.#refusals.remove({ ...labels, reason });
    this.#sessions.remove({ ...labels });
    this.#work.forget({ ...labels });
  }
}
