/**
 * envoy.service.auth.v3.Authorization: each check is one client that asks for leave. Who he is and what he is told
 * is decided in pure/verdict, whether there is a slot in the ledger; here is which call is whose, and how long it lives.
 *
 *   check ──▶ identified ──▶ node holds the cluster? ──▶ ledger ──▶ answered
 *                │                │ not yet: waits         │
 *                └── refused ◀────┴────────────────────────┴─── cancelled, superseded: forgotten
 *
 * A connection has one call at most: the node sends a check again only when its first try is lost, so the later call
 * takes the earlier one's place.
 */

import { NodeClock } from '../../pure/clock/node-clock.js';
import type { ConnectionId, LedgerEffect, LedgerEvent, NodeId } from '../../pure/ledger/events.js';
import type { Plan, ServicePlan, TargetName } from '../../pure/plan/plan.js';
import { type Call, type Caller, type Method, Status, unary } from '../../pure/rpc/rpc.js';
import { cancelMetadata, grantMetadata, killMetadata, refusalMetadata } from '../../pure/verdict/answer.js';
import { identify } from '../../pure/verdict/identify.js';
import { type Reason, type Refusal, refusals } from '../../pure/verdict/refusals.js';
import { CertificateNames } from './certificate-names.js';
import { type Check, readCheck } from './check-request.js';
import { writeOk } from './check-response.js';

export interface AuthzOptions {
  /** Monotonic, in milliseconds; the ledger's own. */
  readonly now: () => number;
  readonly plan: () => Plan;
  readonly apply: (event: LedgerEvent) => void;
  /** Whether it is certain that nobody listens on a target's servers. */
  readonly isDown: (target: TargetName) => boolean;
  readonly readiness: Readiness;
  /** Time-out that nodes give a check when they first send it. */
  readonly checkTimeoutMs: number;
  readonly counted: (answer: Answer) => void;
  /** Leave was given. */
  readonly granted: (session: Granted) => void;
  /** A client asks for a session to be cancelled; resolves when it was, or will not be. */
  readonly cancel: (asked: Asked) => Promise<void>;
  /** A node has asked for a connection that is another node's. */
  readonly forged: (node: NodeId) => void;
}

export interface Granted {
  readonly connection: ConnectionId;
  readonly node: NodeId;
  readonly service: string;
  readonly frontId: number | undefined;
}

type GrantEffect = Extract<LedgerEffect, { kind: 'grant' }>;

/** A check that is no client's of a service. */
export type Asked = Pick<Check, 'address' | 'serverName'> & NonNullable<Check['cancel']>;

/** Whether a node could carry out a grant for a service. */
export interface Readiness {
  isReady(node: NodeId, service: ServicePlan): boolean;
  /** Resolves true as soon as it is, false when it is certain or likely enough that it will not be. */
  whenReady(node: NodeId, service: ServicePlan, patienceMs: number): Promise<boolean>;
}

/** What a client was told, for those who count. */
export interface Answer {
  /** Undefined where the client named no service of ours. */
  readonly service: string | undefined;
  /** Undefined: granted, and not for KILL alone. */
  readonly reason: Reason | undefined;
  readonly waitedMs: number;
}

/** Checks held at once, over all queues: some 2 KiB each. */
const maxHeld = 100_000;
/** The largest that a check may be: a client's certificate, URL-encoded, is most of it. */
const maxCheckBytes = 1 << 20;

const nobodyWaits = (): void => undefined;

interface Held {
  readonly check: Check;
  readonly node: NodeId;
  readonly clock: NodeClock;
  readonly bornMs: number;
  readonly call: Call;
  /** The ledger knows of it. */
  asked: boolean;
}

export class AuthzService {
  readonly #options: AuthzOptions;
  readonly #names = new CertificateNames();
  /** By channel: two machines that share a name by mistake do not share a clock. */
  readonly #clocks = new WeakMap<Caller, NodeClock>();
  readonly #held = new Map<ConnectionId, Held>();
  #stopped = false;

  constructor(options: AuthzOptions) {
    this.#options = options;
  }

  get method(): Method<Check | undefined> {
    const check = {
      path: '/envoy.service.auth.v3.Authorization/Check',
      maxMessageBytes: maxCheckBytes,
      decode: readCheck,
    };
    return unary(check, (message, call) => this.#take(message, call));
  }

  /** Answers whom the ledger has decided on. */
  carryOut(effect: LedgerEffect): void {
    if (effect.kind === 'observe') return;
    const held = this.#held.get(effect.connection);
    // He left before the ledger decided; his cancel is on its way to the ledger.
    if (!held) return;
    if (effect.kind === 'refuse') this.#refuse(held, effect.service, effect.refusal, effect.waitedMs);
    else this.#grant(held, effect);
  }

  /** Gives back every held check, so that its node asks the next brain. */
  stop(): void {
    this.#stopped = true;
    for (const { call } of this.#held.values()) call.end(Status.unavailable, 'stopping');
    this.#held.clear();
  }

  /** @returns what to do when the node has given the check up. */
  #take(check: Check | undefined, call: Call): () => void {
    const earlier = check && this.#held.get(check.connection);
    if (!check) this.#answerMalformed(call);
    else if (this.#stopped) call.end(Status.unavailable, 'stopping');
    else if (check.cancel) void this.#cancel(check, check.cancel, call);
    else if (earlier && earlier.node !== call.caller.node) this.#answerForged(check, call);
    else if (this.#held.size >= maxHeld && !earlier)
      call.end(Status.resourceExhausted, `${maxHeld} checks are held`);
    else return this.#hold(call, check, earlier);
    return nobodyWaits;
  }

  /** Carried out also for a client that does not wait for it, as Postgres does. */
  async #cancel(
    { connection, address, serverName }: Check,
    key: NonNullable<Check['cancel']>,
    call: Call,
  ): Promise<void> {
    await this.#options.cancel({ ...key, address, ...(serverName !== undefined && { serverName }) });
    call.reply(writeOk(cancelMetadata(connection)));
  }

  #answerMalformed(call: Call): void {
    const refusal = refusals.malformed_check();
    call.reply(writeOk(refusalMetadata('', refusal)));
    this.#options.counted({ service: undefined, reason: refusal.reason, waitedMs: 0 });
  }

  /** Another node's connection: whoever waits for it waits on. */
  #answerForged(check: Check, call: Call): void {
    const refusal = refusals.connection_reused();
    this.#options.forged(call.caller.node);
    call.reply(writeOk(refusalMetadata(check.connection, refusal)));
    this.#options.counted({ service: undefined, reason: refusal.reason, waitedMs: 0 });
  }

  #hold(call: Call, check: Check, earlier: Held | undefined): () => void {
    const arrivedMs = this.#options.now();
    const clock = this.#clockOf(call.caller);
    const waitedMs = clock.observe({ ...check, retriedAfterMs: this.#retriedAfterMs(call) }, arrivedMs);
    const held: Held = {
      check,
      node: call.caller.node,
      clock,
      bornMs: arrivedMs - waitedMs,
      call,
      asked: earlier?.asked ?? false,
    };
    this.#held.set(check.connection, held);
    earlier?.call.end(Status.aborted, 'asked again by another call');
    this.#decide(held, true);
    return () => this.#forget(held);
  }

  #decide(held: Held, mayWait: boolean): void {
    const { plan, isDown, readiness, apply, now } = this.#options;
    const { check, node } = held;
    const planNow = plan();
    const identified = identify({ ...check, principals: this.#principals(check, planNow) }, planNow);
    if ('refusal' in identified) {
      this.#turnAway(held, undefined, identified.refusal);
      return;
    }
    const { service } = identified;
    if (isDown(service.target)) {
      const database = planNow.targets.get(service.target)!.database;
      this.#turnAway(held, service, refusals.database_down({ database }));
    } else if (readiness.isReady(node, service)) {
      held.asked = true;
      const waitedMs = now() - held.bornMs;
      apply({ kind: 'check', connection: check.connection, node, service: service.name, waitedMs });
    } else if (mayWait) void this.#awaitNode(held, service);
    else {
      const why = 'it does not have the service yet';
      this.#turnAway(held, service, refusals.not_ready({ what: 'the node', why }));
    }
  }

  /** Decided anew afterwards: the plan may have changed in the meantime. */
  async #awaitNode(held: Held, service: ServicePlan): Promise<void> {
    const patienceMs = service.timeoutMs - (this.#options.now() - held.bornMs);
    await this.#options.readiness.whenReady(held.node, service, Math.max(0, patienceMs));
    if (this.#isHeld(held)) this.#decide(held, false);
  }

  /** Only what the listener has verified is a name. */
  #principals(check: Check, plan: Plan): readonly string[] {
    const isVerified = check.tls && plan.listeners.get(check.listener)?.clientCa !== undefined;
    return isVerified && check.certificate ? this.#names.of(check.certificate) : [];
  }

  #grant(held: Held, { service, ttlMs, waitedMs, onlyKill }: GrantEffect): void {
    const { connection } = held.check;
    const { services, targets } = this.#options.plan();
    const planned = services.get(service);
    if (planned === undefined) {
      // Removed in this very step: the ledger hears of it when the grant runs out.
      this.#refuse(held, service, refusals.service_removed({ service }), waitedMs);
      return;
    }
    const expiresMonotonicMs = Math.floor(held.clock.nodeMs(this.#options.now()) + ttlMs);
    const { cluster, target, limits } = planned;
    this.#held.delete(connection);
    this.#options.granted({ connection, node: held.node, service, frontId: held.check.frontId });
    const isAsked = targets.get(target)?.tls?.negotiation === 'request';
    const way = isAsked ? ({ upstreamTls: 'request' } as const) : {};
    const grant = { connection, cluster, expiresMonotonicMs, ...way };
    const verdict = onlyKill
      ? killMetadata({ ...grant, instead: onlyKill })
      : grantMetadata({ ...grant, limits });
    held.call.reply(writeOk(verdict));
    this.#options.counted({ service, reason: onlyKill?.reason, waitedMs });
  }

  /** Refused without asking the ledger, which may still have the client in a queue from an earlier call. */
  #turnAway(held: Held, service: ServicePlan | undefined, refusal: Refusal): void {
    this.#refuse(held, service?.name, refusal, this.#options.now() - held.bornMs);
    if (held.asked) this.#options.apply({ kind: 'cancel', connection: held.check.connection });
  }

  #refuse(held: Held, service: string | undefined, refusal: Refusal, waitedMs: number): void {
    this.#held.delete(held.check.connection);
    held.call.reply(writeOk(refusalMetadata(held.check.connection, refusal)));
    this.#options.counted({ service, reason: refusal.reason, waitedMs });
  }

  #isHeld(held: Held): boolean {
    return this.#held.get(held.check.connection) === held;
  }

  #forget(held: Held): void {
    if (!this.#isHeld(held)) return;
    this.#held.delete(held.check.connection);
    if (held.asked) this.#options.apply({ kind: 'cancel', connection: held.check.connection });
  }

  #clockOf(caller: Caller): NodeClock {
    let clock = this.#clocks.get(caller);
    if (clock) return clock;
    clock = new NodeClock();
    this.#clocks.set(caller, clock);
    return clock;
  }

  /** Envoy counts the time-out down from the first try to the last. */
  #retriedAfterMs(call: Call): number {
    const left = Number(call.header('x-envoy-expected-rq-timeout-ms'));
    return left > 0 ? Math.max(0, this.#options.checkTimeoutMs - left) : 0;
  }
}
