/**
 * What the ledger is told and what it answers. Time is an argument of every step (milliseconds of the brain's
 * monotonic clock); nothing here reads a clock, draws a random number or does I/O.
 */
import type { Plan, TargetName } from '../plan/plan.js';
import type { Refusal } from '../verdict/refusals.js';

/** Minted by the node when a client connects; 32 hex digits; the same in every check, retry and report. */
export type ConnectionId = string;
export type NodeId = string;

/** The server's own number for a session: Postgres backend pid, MySQL connection id. */
export type ServerId = number;

/** What a node knows about an upstream connection; joins it to the database's own session list. */
export interface UpstreamFacts {
  /** Node's side of the upstream connection, as the server sees it unless there is NAT: `10.1.2.3:46418`. */
  readonly localAddress?: string;
  /** The server that was dialled: `10.0.0.5:5432`. */
  readonly remoteAddress?: string;
  /** Known once login has gone far enough. */
  readonly serverId?: ServerId;
  /** `failed`: for something of the client's; `unavailable`: of the server's. Absent while it is not over. */
  readonly login?: 'accepted' | 'failed' | 'unavailable';
}

/** One row of the database's own session list. */
export interface ObservedSession {
  readonly serverId: ServerId;
  /** `address:port` as the server sees its peer; absent for Unix sockets. */
  readonly peer?: string;
  /**
   * Account that it has logged in as; absent until then, and where the list does not say. Where every allow rule of a
   * target's services names its user, a session of such an account that no node has reported is known to be Sluice's,
   * and is counted as that.
   */
  readonly user?: string;
}

/**
 * Server processes that log in, as one list shows them beside the sessions. A process that leaves them before the list
 * is made is among its sessions, or has ended.
 */
export interface ObservedLogins {
  readonly serverIds: readonly ServerId[];
  /** When the oldest of the connections over which the list was asked for was dialled. */
  readonly dialledMs: number;
  /** When the last of them had been let in. */
  readonly letInMs: number;
}

/** How a session's end was seen by the node. */
export type EndEvidence =
  /** It is certain that no server has taken a connection: the client went before, or nobody listened. */
  | 'never-opened'
  /** The server's own FIN was read: the server has already given the slot back (envoy-facts: Telemetry). */
  | 'server-closed'
  /** Envoy closed towards the server (RST, kill, time-out): only the database can say when the slot is free. */
  | 'proxy-closed';

export type LedgerEvent =
  | { readonly kind: 'plan'; readonly plan: Plan }
  /** A client asks for leave. `waitedMs`: since its birth on the node, so that a retry does not start anew. */
  | {
      readonly kind: 'check';
      readonly connection: ConnectionId;
      readonly node: NodeId;
      readonly service: string;
      readonly waitedMs: number;
      /**
       * When this try was sent, on the node's monotonic clock; absent: before any other. One may lie in a socket of a
       * brain that stands still while a later one is answered by another.
       */
      readonly sentMs?: number | undefined;
      /** Where the client comes from: its address without a port; of IPv6 the network that it has to itself. */
      readonly source?: string | undefined;
    }
  /**
   * The held check was cancelled: the client or its node has gone. Only for the newest check of a connection: the
   * death of a call whose place a retry has taken concerns nobody. A cancel after the answer changes nothing.
   */
  | { readonly kind: 'cancel'; readonly connection: ConnectionId }
  /** A node reports an open upstream connection, at once when opened and then each interval. */
  | {
      readonly kind: 'report';
      readonly connection: ConnectionId;
      readonly node: NodeId;
      readonly service: string;
      readonly upstream: UpstreamFacts;
    }
  /** A session that has been reported has logged in, as its next report says too. It may be over by now. */
  | {
      readonly kind: 'login';
      readonly connection: ConnectionId;
      readonly node: NodeId;
      readonly serverId: ServerId;
    }
  | {
      readonly kind: 'end';
      readonly connection: ConnectionId;
      readonly node: NodeId;
      readonly service: string | undefined;
      readonly upstream: UpstreamFacts;
      readonly evidence: EndEvidence;
    }
  /**
   * The way has broken by which the node reports, its own or that of a brain that passes it on: what has ended since may
   * never be heard. The databases are asked for its sessions at once, until it reports them again.
   */
  | { readonly kind: 'cut-off'; readonly node: NodeId }
  /**
   * The target's whole session list, of all its servers together and without the observer's own, asked for at `askedAtMs` (before the query was
   * sent). One that was asked for before the last one that was applied is ignored.
   */
  | {
      readonly kind: 'observed';
      readonly target: TargetName;
      readonly askedAtMs: number;
      readonly sessions: readonly ObservedSession[];
      /** Server ids of the observer's own sessions: they are in the reserve. */
      readonly own: readonly ServerId[];
      /** False where the list omits backends that are still logging in (Postgres before 18). */
      readonly listsLogins: boolean;
      /** The longest a login may take on the server before it gives up (authentication_timeout, connect_timeout). */
      readonly loginTimeoutMs: number;
      /** Whether it can be asked who is logging in, where the list omits them; absent: it cannot. */
      readonly namesLogins?: boolean;
      /** Who is logging in, where the list omits them and was asked for it. */
      readonly logins?: ObservedLogins;
    }
  /** The list could not be had. Whoever asks goes on trying without being told. */
  | { readonly kind: 'unobserved'; readonly target: TargetName; readonly problem: string }
  /**
   * How long this brain may grant, on the clock of the steps; each is the last word. Past it everything is taken in as
   * before and clients wait. Before the first one there is no end.
   */
  | { readonly kind: 'term'; readonly untilMs: number }
  /** Time has passed; due at `Ledger.nextDeadlineMs()`. */
  | { readonly kind: 'tick' };

export type LedgerEffect =
  /** Also the answer to a repeated check: the same slot, with a fresh `ttlMs`. */
  | {
      readonly kind: 'grant';
      readonly connection: ConnectionId;
      readonly service: string;
      /** Where it leads, by its name: to the servers that the slot is counted for. */
      readonly cluster: string;
      /** How long the node may still act on it. */
      readonly ttlMs: number;
      /** For KILL alone, and what the client is told of everything else. */
      readonly onlyKill?: Refusal;
      readonly waitedMs: number;
    }
  | {
      readonly kind: 'refuse';
      readonly connection: ConnectionId;
      readonly service: string;
      readonly refusal: Refusal;
      readonly waitedMs: number;
    }
  /**
   * A slot waits for the database's word: ask for the session list of this target soon, and until a list has been
   * had that was asked for from now on. At most one a target and event.
   */
  | {
      readonly kind: 'observe';
      readonly target: TargetName;
      /** And for those who log in, over a connection that is dialled after this time; −∞: over any. */
      readonly dialledAfterMs?: number;
    };
