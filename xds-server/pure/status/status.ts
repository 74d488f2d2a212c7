/**
 * What the admin API says and the command line reads: plain JSON, in the spec's own words (snake_case), with
 * units in the names. Nothing is computed here; whoever joins the parts fills it in.
 */
import type { ActivityState } from '../activity/activity.js';

/** How many connections stand in which state; `total` is what counts against the limit. */
export interface Usage {
  /** granted + active + closing: slots that are taken. */
  readonly total: number;
  /** Leave is given, the node has not reported the connection yet. */
  readonly granted: number;
  /** Open, as a node reports it. */
  readonly active: number;
  /** Ended for the client, not yet shown free by the database. */
  readonly closing: number;
  /** Clients whose check is held. */
  readonly waiting: number;
}

export interface ServiceStatus extends Usage {
  readonly service: string;
  readonly hostname: string;
  readonly tenant: string;
  /** `orders/primary` */
  readonly target: string;
  readonly max_connections: number;
  readonly guaranteed: number;
  readonly kill_reserve: number;
  readonly max_queue: number;
  readonly timeout_ms: number;
  readonly priority: number;
  /** Of the client that waits longest; 0 when none waits. */
  readonly longest_wait_ms: number;
  /** What a client that came now would wait for: the limit of whom, the database’s recovery, or a leader; null: nothing. */
  readonly held_by: 'service' | 'tenant' | 'database' | 'guarantees' | 'recovering' | 'leaderless' | null;
}

export interface TargetStatus extends Usage {
  readonly target: string;
  readonly engine: string;
  readonly endpoints: readonly string[];
  readonly budget: number;
  readonly reserve: number;
  /**
   * What sessions that the database shows and no node reports take from the budget, beside `total`: those of the
   * services' accounts, and of others what does not fit into the reserve.
   */
  readonly unclaimed: number;
  /** Nothing is granted before the database's sessions have been counted: after a start, or at other servers. */
  readonly recovering: boolean;
  readonly observer: ObserverStatus;
}

/** A row as a brain shows it that does not lead: what is counted is the leader's to know, and null. */
export type Uncounted<Row, Field extends keyof Row> = Omit<Row, Field> & { readonly [Of in Field]: null };

export type UncountedService = Uncounted<ServiceStatus, keyof Usage | 'longest_wait_ms' | 'held_by'>;
export type UncountedTarget = Uncounted<TargetStatus, keyof Usage | 'unclaimed' | 'recovering' | 'observer'>;
export type UncountedTenant = Uncounted<TenantStatus, 'total' | 'waiting'>;

export interface ObserverStatus {
  /** `unknown`: not asked yet. While it is not `ok`, closing sessions stay counted. */
  readonly state: 'ok' | 'unknown' | 'failing';
  /** Since the last answer of the database; null before the first. */
  readonly age_ms: number | null;
  readonly problem: string | null;
  /** Sessions that the server gives to ordinary accounts, by its own settings; null before it was asked. */
  readonly server_capacity: number | null;
}

export interface TenantStatus {
  readonly tenant: string;
  /** null: the tenant has no limit of its own. */
  readonly max_connections: number | null;
  readonly total: number;
  readonly waiting: number;
}

/**
 * `converged`: holds all it wants at the newest version. `behind`: something is on its way. `rejected`: it refused a
 * newest version and stays on its last good one.
 */
export type ConvergenceStatus = 'converged' | 'behind' | 'rejected';

export interface NodeStatus {
  readonly node: string;
  /** Its end of the connection, `address:port`. */
  readonly peer: string;
  /** Variant of the xDS protocol: `delta` or `sotw`. */
  readonly stream: string;
  readonly connected_at: string;
  readonly convergence: ConvergenceStatus;
  /** One for each resource type that the node subscribes to. */
  readonly types: readonly { readonly type: string; readonly convergence: ConvergenceStatus }[];
}

export interface RejectionStatus {
  readonly node: string;
  readonly type: string;
  readonly at: string;
  /** The operator's own object, as a path into the spec: `services.checkout`; null when it cannot be told. */
  readonly owner: string | null;
  /** Envoy's own words. */
  readonly message: string;
}

export interface ProblemStatus {
  readonly path: string;
  /** One line that names its place too. */
  readonly message: string;
  readonly line: number | null;
}

/** Where the spec is kept for all brains. */
export interface StoreStatus {
  /** The newest that was seen there, in force or not; 0: it is empty; null: it could not be read yet. */
  readonly revision: number | null;
  /** Why it can't be followed now, since `problem_since`; null: it can. What was in force stays. */
  readonly problem: string | null;
  readonly problem_since: string | null;
}

export interface SpecStatus {
  /** A file, or `dir:PATH`, or `etcd:URLS`. */
  readonly source: string;
  /** Of the store: what is in force; null without a store, and before the first good one. */
  readonly revision: number | null;
  /** null: the spec is a file. */
  readonly store: StoreStatus | null;
  /** Changes with whatever a spec says or its files hold; null before the first good one. */
  readonly version: string | null;
  readonly loaded_at: string | null;
  /** What keeps the spec as it is there now from being taken; empty when it is in force. */
  readonly problems: readonly ProblemStatus[];
  /** Of the spec in force: certificates that expire soon, and the like. */
  readonly warnings: readonly ProblemStatus[];
}

/** Between the brain and its nodes. */
export interface ChannelStatus {
  /** False: plaintext, on loopback. */
  readonly tls: boolean;
  /** Of the brain's own certificate; null in plaintext. */
  readonly certificate_expires_at: string | null;
  /** What keeps the files as they are now from being taken; the last good ones stay in force. */
  readonly problems: readonly ProblemStatus[];
  readonly warnings: readonly ProblemStatus[];
}

/** Who decides on connections. */
export interface LeadershipStatus {
  /** Id of this brain; null where there is only one, which leads for as long as it runs. */
  readonly brain: string | null;
  /** Id of the brain that leads as far as this one knows; null: none, or the only one. */
  readonly leader: string | null;
  /** Where other brains dial it; null where it is this one or not known. */
  readonly address: string | null;
  /** What this brain is. `none`: nobody leads as far as it knows. */
  readonly role: 'leader' | 'follower' | 'none';
  /**
   * Where another process is dialled that leads under the id of this brain: an earlier run of it, for some seconds, or one
   * that was given its id. null: none. It is nobody to follow.
   */
  readonly namesake: string | null;
  /** Of whoever leads; grows with each. */
  readonly term: number | null;
  /** Left of this brain's term, to be renewed; 0: it is over, and nothing is granted. null: not its term, or one without end. */
  readonly remaining_ms: number | null;
  /** What keeps etcd from being asked, and since when; null: nothing, or there is no etcd. */
  readonly etcd: { readonly problem: string; readonly for_ms: number } | null;
  /** Of a brain that leads: who follows, and how many nodes each speaks for. */
  readonly followers: readonly { readonly brain: string; readonly nodes: number }[];
  /** Of a brain that follows: whether what its nodes ask reaches the leader; `for_ms`: since when not. null: it does not follow. */
  readonly link: {
    readonly open: boolean;
    readonly for_ms: number | null;
    readonly problem: string | null;
  } | null;
}

export interface Status {
  readonly sluice: string;
  readonly started_at: string;
  readonly now: string;
  readonly leadership: LeadershipStatus;
  readonly spec: SpecStatus;
  readonly channel: ChannelStatus;
  readonly targets: readonly (TargetStatus | UncountedTarget)[];
  readonly services: readonly (ServiceStatus | UncountedService)[];
  readonly tenants: readonly (TenantStatus | UncountedTenant)[];
  readonly nodes: readonly NodeStatus[];
  /** The latest, newest first; bounded by who fills this in. */
  readonly rejections: readonly RejectionStatus[];
}

export interface SessionStatus {
  readonly connection: string;
  readonly service: string;
  readonly target: string;
  readonly node: string;
  readonly state: 'granted' | 'active' | 'closing';
  readonly age_ms: number;
  /** Postgres backend pid or MySQL connection id; null before login. */
  readonly server_id: number | null;
  /** Account, as the database's own session list shows it; null before that surely shows the session. */
  readonly user: string | null;
  /** `10.1.2.3:50412`, `[2001:db8::7]:50412`, as the node sees it; null before the node has reported the session. */
  readonly client: string | null;
  /** What it does and has done; null before its node has said. */
  readonly activity: {
    readonly state: ActivityState;
    /** Since it is in that state, a second and a report late; null where that is not known. */
    readonly for_ms: number | null;
    readonly transactions: number;
    readonly queries: number;
    readonly errors: number;
    /** Spent in transactions that are over. */
    readonly transaction_ms: number;
    /** Spent waiting for the server. */
    readonly query_ms: number;
  } | null;
}

export interface WaiterStatus {
  readonly connection: string;
  readonly service: string;
  readonly target: string;
  readonly node: string;
  /** Its address without a port, `10.1.2.3`; of IPv6 the network that it has to itself, `2001:db8::/64`; null: not known. */
  readonly client: string | null;
  readonly priority: number;
  readonly waited_ms: number;
  readonly timeout_ms: number;
}

/** A part of a list; `total` is the length of the whole. */
export interface Page<Row> {
  readonly total: number;
  readonly offset: number;
  readonly rows: readonly Row[];
}
