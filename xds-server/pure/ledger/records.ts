/**
 * What the ledger keeps. Plain records; the rules that change them are in the files beside.
 *
 *   Tenant ◀── Service ──▶ Target ──▶ SessionList ──▶ Row     what the database showed last
 *           queue│ doors     │ slots                    │ owner
 *                ▼           ▼                          ▼
 *       Waiter, Door ◀───── Slot ◀──────────────────────┘
 */
import type { Endpoint, ServicePlan, TargetName, TargetPlan } from '../plan/plan.js';
import type { Doubt } from './doubts.js';
import type { ConnectionId, NodeId, ServerId } from './events.js';
import type { Heap, Place } from './heap.js';
import type { SessionList } from './session-list.js';

/**
 * granted: leave is given and not used as far as is known; session: a node has reported it open; closing: over for the
 * node, or as good as, and the database has not shown that it is.
 */
export type SlotState = 'granted' | 'session' | 'closing';

/** How a slot came to be closing. Only an ended one is surely over for its node; the others may be reported again. */
export type ClosingCause = 'ended' | 'silent' | 'unlisted' | 'unconfirmed';

export interface Counts {
  granted: number;
  session: number;
  closing: number;
}

/** A server connection that exists, may exist or may come to exist. Counted once, against target, service and tenant. */
export interface Slot {
  readonly kind: 'slot';
  readonly connection: ConnectionId;
  readonly node: NodeId;
  readonly service: Service;
  /** The service's when the slot was taken, or when it was first known. */
  tenant: Tenant;
  /** For KILL alone: of the service's kill reserve. */
  readonly onlyKill: boolean;
  /** Accounts that its service admitted then; undefined: any. */
  readonly users: ReadonlySet<string> | undefined;
  target: Target;
  /** To which its grant leads, whatever the target's are by now. */
  servers: readonly Endpoint[];
  state: SlotState;
  cause: ClosingCause | undefined;
  readonly bornMs: number;
  /** When the check was sent that it answers, on its node's clock. */
  sentMs: number;
  /** The step of its grant: no session that was seen until then is its own. −∞ when another ledger granted it. */
  earliestStep: number;
  /** When it was granted first: nothing was dialled before; −∞ where it is not known. */
  readonly grantedMs: number;
  /** The step of the first list that would have shown it had it lived: none that is seen later is its own. */
  latestStep: number;
  /** Who was logging in at that list, where it showed that: its own session, if it lives, may still be one of these. */
  suspects: ReadonlySet<ServerId> | undefined;
  /** When that list was had. */
  suspectedMs: number;
  /**
   * Granted by this ledger, or reported open twice, a margin apart. Of any other the only report may have come late: from
   * a node that stood still, of one that is over.
   */
  isSure: boolean;
  /** When it was heard of that it is open; undefined while no node has said so. */
  openedByMs: number | undefined;
  reportedMs: number;
  /** When it was reported after it had been closing: its node may have stood still, and not read yet that it is over. */
  reopenedMs: number;
  /** When, and in which step, it began to close. */
  closingMs: number;
  closingStep: number;
  localAddress: string | undefined;
  remoteAddress: string | undefined;
  /** As its node has reported it, and when it first did; ∞ before. */
  serverId: ServerId | undefined;
  identifiedMs: number;
  /** As the list showed it; from then on the list will show it as long as it lives. */
  listedId: ServerId | undefined;
  row: Row | undefined;
  /** With which others it may be one and the same session, while it is closing: as a slot, and at its door. */
  doubt: Doubt | undefined;
  doorDoubt: Doubt | undefined;
  /** By which its client came in, until the database has accepted its login. */
  door: Door | undefined;
  timer: Place<Timed> | undefined;
}

/** One source's way into one service (doors.ts). */
export interface Door {
  readonly kind: 'door';
  readonly service: Service;
  readonly source: string;
  /** Slots that are to log in. */
  loggingIn: number;
  /** Who waits for these, in the order of birth. */
  readonly aside: Heap<Waiter>;
  /** Logins that failed since the last one that did not. */
  failures: number;
  /** How many more may log in at once, for those that were let in. */
  earned: number;
  shutUntilMs: number;
  forgetAtMs: number;
  timer: Place<Timed> | undefined;
}

/** All of one source that wait for one service (crowds.ts). */
export interface Crowd {
  readonly source: string | undefined;
  /** The youngest first. */
  readonly waiters: Heap<Waiter>;
  place: Place<Crowd> | undefined;
}

/** Somebody who wants a slot. */
export interface Client {
  readonly connection: ConnectionId;
  readonly node: NodeId;
  readonly service: Service;
  readonly bornMs: number;
  /** The client's address; undefined where it is not known. */
  readonly source: string | undefined;
  /** Of its latest check: when that was sent, on its node's clock. */
  sentMs: number;
}

export interface Waiter extends Client {
  readonly kind: 'waiter';
  /** In its service's queue or, where it stands aside, in its door's. */
  place: Place<Waiter> | undefined;
  door: Door | undefined;
  /** Among those who come from where he comes from. */
  crowdPlace: Place<Waiter> | undefined;
  timer: Place<Timed> | undefined;
}

/** One session of a session list. */
export interface Row {
  readonly serverId: ServerId;
  readonly peer: string | undefined;
  readonly user: string | undefined;
  /** The step with the first list that shows it, and when that was. */
  readonly seenStep: number;
  readonly seenMs: number;
  owner: Slot | undefined;
  /** It was taken for a slot's that is over for certain, and lives on: somebody's who is known no more. */
  isOurs: boolean;
  /** The step that ended a recovery of the target, while it was logging in: nobody who was granted since owns it. */
  readonly begunStep: number | undefined;
  /** Whose account it is: of which service, of some service, of none. Unknown where the list or a service does not say. */
  account: Service | 'several' | 'none' | 'unknown';
}

export interface Tenant {
  readonly name: string;
  max: number;
  used: number;
  /** Rows that nobody owns and that are known to be its services'. */
  unjoined: number;
  /** Sum over its services of what is left of their kill reserves. */
  unusedReserves: number;
  readonly waiting: Set<Service>;
  grantedMs: number;
}

export interface Service {
  readonly name: string;
  /** Undefined: not in the plan (any more), and kept for its slots. */
  plan: ServicePlan | undefined;
  /** Accounts that it may log in as, by its last plan; undefined: any, or never planned. */
  users: ReadonlySet<string> | undefined;
  tenant: Tenant;
  target: Target;
  readonly counts: Counts;
  /** Over all targets: old sessions stay where they are when a service moves. */
  used: number;
  /** Of these, for KILL alone. */
  killing: number;
  /** At the target that it has now, without those. */
  usedHere: number;
  unjoined: number;
  readonly queue: Heap<Waiter>;
  /** By source. */
  readonly doors: Map<string, Door>;
  /** Waiters that stand aside at one of them. */
  aside: number;
  /** Those who wait, told apart by source where that matters; of the largest, the one that gives way first is in front. */
  crowds: { readonly bySource: Map<string | undefined, Crowd>; readonly largest: Heap<Crowd> } | undefined;
  /** Since when it waits without having been given anything. */
  hungryMs: number;
}

export interface Target {
  readonly kind: 'target';
  readonly name: TargetName;
  plan: TargetPlan | undefined;
  /** Of its servers; undefined where they are not known. */
  addresses: ReadonlySet<string> | undefined;
  readonly counts: Counts;
  used: number;
  /** Sum over its services of what is left of their guaranteed shares and kill reserves. */
  unusedGuarantees: number;
  readonly slots: Set<Slot>;
  readonly closing: Set<Slot>;
  readonly waiting: Set<Service>;
  /** Services that have waiters at their doors. */
  readonly aside: Set<Service>;
  /** Accounts of its services; undefined: any. */
  users: ReadonlyMap<string, Service | 'several'> | undefined;
  /** A session that was taken in may have any other account, too: it is not known what its service admitted. */
  hasStrangers: boolean;
  readonly list: SessionList;
  /** Rows without an owner. */
  readonly unjoined: { ours: number; people: number };
  /** Nothing is granted before a list was had that was asked for at `recoverFromMs` or later. */
  recovering: boolean;
  recoverFromMs: number;
  problem: string | undefined;
  grantedMs: number;
  /** The last slot went to a starved service, so the next one goes by priority. */
  favoured: boolean;
  timer: Place<Timed> | undefined;
}

/** What may have a deadline. */
export type Timed = Slot | Waiter | Target | Door;
