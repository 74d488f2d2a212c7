/**
 * What the brain says of itself, put together from what its parts know. Everything is read when it is asked for;
 * nothing is decided here.
 */

import type { ActivityView, ClientAddress } from '../../pure/activity/activity-book.js';
import type { LedgerView, Usage, ViewOptions } from '../../pure/ledger/view.js';
import { formatAddress } from '../../pure/plan/address.js';
import type { Plan, ServicePlan, TargetPlan } from '../../pure/plan/plan.js';
import { TypeUrl } from '../../pure/snapshot/snapshot.js';
import type {
  ChannelStatus,
  LeadershipStatus,
  NodeStatus,
  ObserverStatus,
  Page,
  RejectionStatus,
  Usage as ReportedUsage,
  ServiceStatus,
  SessionStatus,
  SpecStatus,
  Status,
  TargetStatus,
  WaiterStatus,
} from '../../pure/status/status.js';
import { sourceText } from '../../pure/verdict/network.js';

/** One stream of a node, as the management server sees it. */
export interface NodeView {
  readonly node: string;
  readonly peer: string;
  readonly connectedSince: number;
  readonly stream: string;
  readonly convergence: NodeStatus['convergence'];
  readonly types: readonly {
    readonly typeUrl: string;
    readonly convergence: NodeStatus['convergence'];
    readonly lastRejection?: { readonly owner: string; readonly message: string; readonly at: number };
  }[];
}

export interface ObserverView {
  readonly answeredMs: number | undefined;
  readonly problem: string | undefined;
  readonly serverCapacity: number | undefined;
}

export interface Parts {
  readonly version: string;
  readonly startedAt: Date;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly leadership: () => LeadershipStatus;
  readonly spec: () => SpecStatus;
  readonly plan: () => Plan;
  readonly ledger: (options?: ViewOptions) => LedgerView;
  /** What a session does, as far as its node has said. */
  readonly activity: (connection: string) => ActivityView | undefined;
  /** Whose it is, as far as its node has said. */
  readonly client: (connection: string) => ClientAddress | undefined;
  readonly observer: (target: string) => ObserverView | undefined;
  readonly nodes: () => readonly NodeView[];
  readonly channel: () => ChannelStatus;
}

const maxRejections = 50;

export class BrainStatus {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  status(): Status {
    const { version, startedAt, spec, nodes } = this.#parts;
    const connected = nodes();
    const leadership = this.#parts.leadership();
    const counts = leadership.role === 'leader';
    return {
      sluice: version,
      started_at: startedAt.toISOString(),
      now: new Date().toISOString(),
      leadership,
      spec: spec(),
      channel: this.#parts.channel(),
      ...(counts ? this.#counted() : this.#uncounted()),
      nodes: connected.map(nodeStatus),
      rejections: connected
        .flatMap(rejections)
        .sort((a, b) => b.at.localeCompare(a.at))
        .slice(0, maxRejections),
    };
  }

  #counted(): Pick<Status, 'targets' | 'services' | 'tenants'> {
    return {
      targets: this.targets(),
      services: this.services(),
      tenants: [...this.#parts.ledger().tenants.values()]
        .filter(({ name }) => name !== '')
        .map(({ name, limit, used, waiters }) => ({
          tenant: name,
          max_connections: limit ?? null,
          total: used,
          waiting: waiters,
        })),
    };
  }

  /** Only the plan is known here. A 0 would be read as a count. */
  #uncounted(): Pick<Status, 'targets' | 'services' | 'tenants'> {
    const { targets, services, tenants } = this.#parts.plan();
    return {
      targets: [...targets.values()].map((plan) => ({
        ...targetFacts(plan),
        ...noUsage,
        ...{ unclaimed: null, recovering: null, observer: null },
      })),
      services: [...services.values()].map((plan) => ({
        ...serviceFacts(plan),
        ...noUsage,
        ...{ longest_wait_ms: null, held_by: null },
      })),
      tenants: [...tenants.values()].map(({ name, maxConnections }) => ({
        tenant: name,
        max_connections: maxConnections ?? null,
        ...{ total: null, waiting: null },
      })),
    };
  }

  /** Of a brain that leads. */
  services(): ServiceStatus[] {
    const { services } = this.#parts.ledger();
    return [...this.#parts.plan().services.values()].map((plan) => {
      const view = services.get(plan.name);
      return {
        ...serviceFacts(plan),
        ...usage(view),
        longest_wait_ms: Math.round(view?.longestWaitMs ?? 0),
        held_by: view?.heldBy ?? null,
      };
    });
  }

  /** Of a brain that leads. */
  targets(): TargetStatus[] {
    const { targets } = this.#parts.ledger();
    return [...this.#parts.plan().targets.values()].map((plan) => {
      const view = targets.get(plan.name);
      return {
        ...targetFacts(plan),
        ...usage(view),
        unclaimed: view?.unjoinedCounted ?? 0,
        recovering: view?.recovering ?? true,
        observer: this.#observer(plan),
      };
    });
  }

  sessions({ offset, limit }: { readonly offset: number; readonly limit: number }): Page<SessionStatus> {
    const { sessions, sessionCount } = this.#parts.ledger({ sessions: offset + limit });
    const rows = sessions.slice(offset).map((session) => ({
      connection: session.connection,
      service: session.service,
      target: session.target,
      node: session.node,
      state: session.state === 'session' ? ('active' as const) : session.state,
      age_ms: Math.round(session.ageMs),
      server_id: session.serverId ?? null,
      user: session.user ?? null,
      client: clientText(this.#parts.client(session.connection)),
      activity: activityStatus(this.#parts.activity(session.connection)),
    }));
    return { total: sessionCount, offset, rows };
  }

  waiting({ offset, limit }: { readonly offset: number; readonly limit: number }): Page<WaiterStatus> {
    const { waiters, waiterCount } = this.#parts.ledger({ waiters: offset + limit });
    const rows = waiters.slice(offset).map((waiter) => ({
      connection: waiter.connection,
      service: waiter.service,
      target: waiter.target,
      node: waiter.node,
      client: waiter.source === undefined ? null : sourceText(waiter.source),
      priority: waiter.priority,
      waited_ms: Math.round(waiter.waitedMs),
      timeout_ms: waiter.timeoutMs,
    }));
    return { total: waiterCount, offset, rows };
  }

  /** A database that does not answer now is none of it: what is open lives on, and clients are told. */
  missing(): string[] {
    if (this.#parts.spec().version === null) return ['a spec without problems'];
    const leaderless = leaderMissing(this.#parts.leadership());
    if (leaderless !== undefined) return [leaderless];
    return [...this.#parts.ledger().targets.values()]
      .filter(({ planned, recovering }) => planned && recovering)
      .map(({ name }) => `the sessions that ${name} has are not counted yet`);
  }

  #observer({ name, budget, reserve }: TargetPlan): ObserverStatus {
    const view = this.#parts.observer(name);
    const answeredMs = view?.answeredMs;
    return {
      state: view?.problem !== undefined ? 'failing' : answeredMs === undefined ? 'unknown' : 'ok',
      age_ms: answeredMs === undefined ? null : Math.round(this.#parts.now() - answeredMs),
      problem: view?.problem ?? shortfall(view?.serverCapacity, budget + reserve),
      server_capacity: view?.serverCapacity ?? null,
    };
  }
}

/** @returns undefined when somebody may grant */
function leaderMissing(status: LeadershipStatus): string | undefined {
  const { role, remaining_ms, etcd, brain, leader, address, namesake, link } = status;
  if (link && !link.open) {
    const why = link.problem === null ? '' : `: ${link.problem}`;
    return `brain ${leader} at ${address} leads and is not reached${why}`;
  }
  const isOver = role === 'leader' && remaining_ms === 0;
  if (role !== 'none' && !isOver) return undefined;
  const nobody = namesake
    ? `another process leads as brain ${brain}, at ${namesake} (an earlier run of this one, for some seconds, or one that was given its id)`
    : 'no brain leads';
  const what = isOver ? 'the term of this brain is over and etcd has not renewed it' : nobody;
  return etcd ? `${what}: ${etcd.problem}` : what;
}

function activityStatus(view: ActivityView | undefined): SessionStatus['activity'] {
  if (!view) return null;
  const { state, forMs, counts } = view;
  return {
    state,
    for_ms: forMs === undefined ? null : Math.round(forMs),
    transactions: counts.transactions,
    queries: counts.queries,
    errors: counts.errors,
    transaction_ms: Math.round(counts.transactionUs / 1000),
    query_ms: Math.round(counts.queryUs / 1000),
  };
}

function clientText(client: ClientAddress | undefined): string | null {
  return client ? formatAddress(client) : null;
}

/** More would be granted than there is. */
function shortfall(serverCapacity: number | undefined, capacity: number): string | null {
  if (serverCapacity === undefined || serverCapacity >= capacity) return null;
  return `the server gives ${serverCapacity} connections, the spec's capacity is ${capacity}`;
}

function serviceFacts(
  plan: ServicePlan,
): Omit<ServiceStatus, keyof ReportedUsage | 'longest_wait_ms' | 'held_by'> {
  return {
    service: plan.name,
    hostname: plan.hostname,
    tenant: plan.tenant,
    target: plan.target,
    max_connections: plan.maxConnections,
    guaranteed: plan.guaranteed,
    kill_reserve: plan.killReserve,
    max_queue: plan.maxQueue,
    timeout_ms: plan.timeoutMs,
    priority: plan.priority,
  };
}

function targetFacts(
  plan: TargetPlan,
): Omit<TargetStatus, keyof ReportedUsage | 'unclaimed' | 'recovering' | 'observer'> {
  return {
    target: plan.name,
    engine: plan.engine,
    endpoints: plan.endpoints.map(formatAddress),
    budget: plan.budget,
    reserve: plan.reserve,
  };
}

/** Between a plan and the ledger's next step a service may be unknown to the ledger: it has nothing then. */
function usage(view: Usage | undefined): ReportedUsage {
  return {
    total: view?.used ?? 0,
    granted: view?.granted ?? 0,
    active: view?.sessions ?? 0,
    closing: view?.closing ?? 0,
    waiting: view?.waiters ?? 0,
  };
}

const noUsage = { total: null, granted: null, active: null, closing: null, waiting: null } as const;

function nodeStatus({ node, peer, stream, connectedSince, convergence, types }: NodeView): NodeStatus {
  return {
    node,
    peer,
    stream,
    connected_at: new Date(connectedSince).toISOString(),
    convergence,
    types: types.map((each) => ({ type: typeName(each.typeUrl), convergence: each.convergence })),
  };
}

function rejections({ node, types }: NodeView): RejectionStatus[] {
  return types.flatMap(({ typeUrl, lastRejection: last }) => {
    if (!last) return [];
    const owner = last.owner === 'unknown' ? null : last.owner;
    return [
      { node, type: typeName(typeUrl), at: new Date(last.at).toISOString(), owner, message: last.message },
    ];
  });
}

const typeNames = new Map<string, string>(Object.entries(TypeUrl).map(([name, url]) => [url, name]));

const typeName = (typeUrl: string): string => typeNames.get(typeUrl) ?? typeUrl;
