/**
 * The gauges: read at each scrape, so that none is older than the scrape. Their label values are those of metrics.ts.
 */
import { Gauge, type Registry } from 'prom-client';
import type {
  ChannelStatus,
  LeadershipStatus,
  ServiceStatus,
  SpecStatus,
  TargetStatus,
} from '../../pure/status/status.js';
import { byService, type ServiceLabels } from './service-labels.js';

/** What they are read from. */
export interface GaugeSource {
  services(): Iterable<ServiceStatus>;
  targets(): Iterable<TargetStatus>;
  /** Nodes with an open ADS stream. */
  nodes(): number;
  channel(): ChannelStatus;
  spec(): SpecStatus;
  /** When the first certificate of each file of the spec in force ends, by the place that names it. */
  expiriesMs(): ReadonlyMap<string, number>;
  leadership(): LeadershipStatus;
}

const byTarget = ['database', 'db_role'] as const;

export class Gauges {
  readonly #registry: Registry;
  readonly #source: GaugeSource;
  readonly #labelsOf: (service: string) => ServiceLabels | undefined;
  /** As they are at this scrape, read once for all gauges. */
  #serviceRows: readonly ServiceStatus[] = [];
  #targetRows: readonly TargetStatus[] = [];

  /** @param labelsOf undefined of a service that may not be counted. */
  constructor(
    registry: Registry,
    source: GaugeSource,
    labelsOf: (service: string) => ServiceLabels | undefined,
  ) {
    this.#registry = registry;
    this.#source = source;
    this.#labelsOf = labelsOf;
    this.#services();
    this.#targets();
    this.#brain();
    this.#spec();
  }

  /** To be called first at each scrape. A brain that does not lead counts nothing, and a 0 would be read as a count. */
  look(): void {
    const counts = this.#source.leadership().role === 'leader';
    this.#serviceRows = counts ? [...this.#source.services()] : [];
    this.#targetRows = counts ? [...this.#source.targets()] : [];
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

  #services(): void {
    const each = (name: string, help: string, value: (service: ServiceStatus) => number): void =>
      this.#gauge(name, help, byService, (set) => {
        for (const service of this.#serviceRows) {
          const labels = this.#labelsOf(service.service);
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
          const labels = this.#labelsOf(service.service);
          if (!labels) continue;
          for (const state of ['granted', 'active', 'closing'] as const)
            set({ ...labels, state }, service[state]);
        }
      },
    );
  }

  #targets(): void {
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
    each(
      'sluice_capacity_shortfall',
      'Connections of the spec’s capacity that the server does not give; absent before it was asked.',
      ({ budget, reserve, observer: { server_capacity: given } }) =>
        given === null ? undefined : Math.max(0, budget + reserve - given),
    );
    each('sluice_observer_up', '1 while the database answers the observer.', (target) =>
      target.observer.state === 'ok' ? 1 : 0,
    );
  }

  #brain(): void {
    this.#gauge('sluice_xds_nodes', 'Nodes with an open xDS stream.', [], (set) =>
      set({}, this.#source.nodes()),
    );
    const leads = '1 while this brain may grant; over all brains never more than 1.';
    this.#gauge('sluice_leader', leads, [], (set) => {
      const { role, remaining_ms } = this.#source.leadership();
      set({}, role === 'leader' && remaining_ms !== 0 ? 1 : 0);
    });
    const reached =
      '1 while this brain leads, or what its nodes ask reaches the leader; only of several brains.';
    this.#gauge('sluice_leader_reached', reached, [], (set) => {
      const { brain, role, link } = this.#source.leadership();
      if (brain !== null) set({}, role === 'leader' || link?.open === true ? 1 : 0);
    });
    const followers = 'Nodes that each brain that follows this one speaks for; one series a follower.';
    this.#gauge('sluice_follower_nodes', followers, ['brain'], (set) => {
      for (const { brain, nodes } of this.#source.leadership().followers) set({ brain }, nodes);
    });
    const etcd = '1 while etcd answers this brain; only where there is an etcd.';
    this.#gauge('sluice_etcd_up', etcd, [], (set) => {
      const { brain, etcd } = this.#source.leadership();
      if (brain !== null) set({}, etcd ? 0 : 1);
    });
    const expiry = 'Seconds until the certificate ends with which the brain meets its nodes.';
    this.#gauge('sluice_channel_certificate_expiry_seconds', expiry, [], (set) => {
      const ends = this.#source.channel().certificate_expires_at;
      if (ends !== null) set({}, (Date.parse(ends) - Date.now()) / 1000);
    });
  }

  #spec(): void {
    const ends = 'Seconds until a certificate of the spec ends; of a file with several, the first of them.';
    this.#gauge('sluice_certificate_expiry_seconds', ends, ['path'], (set) => {
      const now = Date.now();
      for (const [path, expiresMs] of this.#source.expiriesMs()) set({ path }, (expiresMs - now) / 1000);
    });
    const store = '1 while the store of specs is followed; only where there is one.';
    this.#gauge('sluice_store_up', store, [], (set) => {
      const { store: status } = this.#source.spec();
      if (status) set({}, status.problem === null ? 1 : 0);
    });
    const newest = 'Newest revision that was seen in the store of specs, in force or not; 0: none.';
    this.#gauge('sluice_store_revision', newest, [], (set) => {
      const revision = this.#source.spec().store?.revision ?? null;
      if (revision !== null) set({}, revision);
    });
    const inForce = 'Revision of the spec in force; only of one that comes from a store.';
    this.#gauge('sluice_spec_revision', inForce, [], (set) => {
      const { revision } = this.#source.spec();
      if (revision !== null) set({}, revision);
    });
  }
}
