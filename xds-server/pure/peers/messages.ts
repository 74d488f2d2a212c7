/**
 * What brains say to each other. A brain tells the leader of its own nodes, and the leader answers; a leader tells itself
 * the same. Times are of the monotonic clock of the brain that tells.
 */
import type { ActivityReport } from '../activity/activity-book.js';
import type { CancelRequest } from '../cancel/cancel-request.js';
import type { Login, SessionReport } from '../cancel/session-directory.js';
import type { ConnectionId, LedgerEvent, NodeId, ServerId } from '../ledger/events.js';
import type { Offer } from '../surplus/surplus.js';
import type { Refusal } from '../verdict/refusals.js';

/** A client that has been identified and asks for leave. */
export interface Question {
  readonly connection: ConnectionId;
  readonly node: NodeId;
  readonly service: string;
  /** Where it comes from, as the ledger takes it; undefined where it has no address. */
  readonly source: string | undefined;
  /** When it was born. */
  readonly bornMs: number;
  /** When this try was sent, on the node's monotonic clock. */
  readonly sentMs: number;
  /** MySQL: the id of the front's greeting. */
  readonly frontId: number | undefined;
}

/** One entry of a node's log. */
export interface SessionNews {
  readonly event: Extract<LedgerEvent, { kind: 'report' | 'end' }>;
  /** What it is known by; of one that is open. */
  readonly known: Pick<SessionReport, 'frontId' | 'cancelDigest'> | undefined;
  /** Undefined where no server was reached. */
  readonly work: (Omit<ActivityReport, 'connection'> & { readonly service: string }) | undefined;
  /** Of one that was open and has ended. */
  readonly ended: Omit<EndedSession, 'service'> | undefined;
}

/** A connection that is over, for those who count. */
export interface EndedSession {
  readonly service: string;
  readonly durationMs: number;
  /** SQLSTATE or errno by which the server turned the client away; `''` without one; undefined: it did not. */
  readonly loginError: string | undefined;
  /** The limit of its own that ended it. */
  readonly endedBy: string | undefined;
}

/** Whom of several questions an answer is to. */
export type RequestId = number;

export type News =
  | { readonly kind: 'check'; readonly question: Question }
  /** The client, its node or its channel has gone, or the check was answered without the leader. */
  | { readonly kind: 'cancel'; readonly connection: ConnectionId }
  | { readonly kind: 'session'; readonly session: SessionNews }
  | { readonly kind: 'login'; readonly login: Login }
  /** The way has broken by which the node reports: of ends that nobody has heard the databases tell. */
  | { readonly kind: 'cut-off'; readonly node: NodeId }
  /** A node takes its configuration here, or no longer. `runtime`: the version of its breakers' limits, when it has one. */
  | {
      readonly kind: 'node';
      readonly node: NodeId;
      readonly isHere: boolean;
      readonly runtime: string | undefined;
    }
  /** The node has all that the service needs by the plan of who has asked, in an `await` with the same words. */
  | { readonly kind: 'ready'; readonly node: NodeId; readonly service: string; readonly needs: string }
  /** Which session does this number of the front's mean? */
  | {
      readonly kind: 'find';
      readonly request: RequestId;
      readonly node: NodeId;
      readonly connection: ConnectionId;
      readonly frontId: number;
    }
  | { readonly kind: 'interrupt'; readonly request: RequestId; readonly asked: CancelRequest }
  /** Which of these sessions of the node, which rest, shall end? */
  | {
      readonly kind: 'idle';
      readonly request: RequestId;
      readonly node: NodeId;
      readonly sessions: readonly Offer[];
    };

export type Order =
  /** `expiresMs` on the clock of the brain that is told. */
  | {
      readonly kind: 'grant';
      readonly connection: ConnectionId;
      readonly service: string;
      /** Of the question that is answered. */
      readonly sentMs: number;
      /** Where it leads: the one that the slot is counted for, whatever plan the brain that is told goes by. */
      readonly cluster: string;
      readonly expiresMs: number;
      /** For KILL alone, and what the client is told of everything else. */
      readonly onlyKill?: Refusal;
      readonly waitedMs: number;
    }
  | {
      readonly kind: 'refuse';
      readonly connection: ConnectionId;
      readonly service: string;
      /** Of the question that is answered. */
      readonly sentMs: number;
      readonly refusal: Refusal;
      readonly waitedMs: number;
    }
  /** Say when this node, which is there, has what the service needs; `needs`: all of it by its names. */
  | { readonly kind: 'await'; readonly node: NodeId; readonly service: string; readonly needs: string }
  /** Of this spec the nodes have these limits in place of the spec's own: a change of limits is under way. */
  | { readonly kind: 'limits'; readonly spec: string; readonly limits: ReadonlyMap<string, number> }
  | { readonly kind: 'found'; readonly request: RequestId; readonly serverId: ServerId | undefined }
  | { readonly kind: 'interrupted'; readonly request: RequestId }
  | { readonly kind: 'surplus'; readonly request: RequestId; readonly connections: readonly ConnectionId[] };

/** An answer to a check. */
export type Answer = Extract<Order, { kind: 'grant' | 'refuse' }>;
