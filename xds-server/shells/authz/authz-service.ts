/**
 * envoy.service.auth.v3.Authorization: each check is one client that asks for leave. Who he is and what he is told
 * is decided in pure/verdict, whether he gets leave by the leader (control/admission.ts), which may be another brain; here
 * is which call is whose, and how long it lives.
 *
 *   check ──▶ identified ──▶ leader ──▶ answered, on the node's clock
 *                │             │ ╰── nobody leads: held until his time is up
 *                ╰── refused ◀─┴──── cancelled, superseded: forgotten
 *
 * A connection has one call at most: the node sends a check again only when its first try is lost, so the later call
 * takes the earlier one's place.
 */

import type { CancelRequest } from '../../pure/cancel/cancel-request.js';
import { type ChannelClock, ChannelClocks } from '../../pure/clock/channel-clock.js';
import type { ConnectionId, NodeId } from '../../pure/ledger/events.js';
import type { Answer, Question } from '../../pure/peers/messages.js';
import { asksForTls } from '../../pure/plan/cluster-name.js';
import type { Plan, ServicePlan } from '../../pure/plan/plan.js';
import { type Call, type Method, Status, unary } from '../../pure/rpc/rpc.js';
import { cancelMetadata, grantMetadata, killMetadata, refusalMetadata } from '../../pure/verdict/answer.js';
import { type Identified, identify } from '../../pure/verdict/identify.js';
import { sourceOf } from '../../pure/verdict/network.js';
import { noLeader, type Reason, type Refusal, refusals } from '../../pure/verdict/refusals.js';
import { CertificateNames } from './certificate-names.js';
import { type Check, readCheck } from './check-request.js';
import { writeOk } from './check-response.js';
import { HeldChecks } from './held-checks.js';

export interface AuthzOptions {
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly plan: () => Plan;
  /** Asks the leader, now or when there is one; the answer comes by `answer`. */
  readonly ask: (question: Question) => void;
  /** Nobody waits for the answer any more. */
  readonly withdraw: (connection: ConnectionId) => void;
  /** Time-out that nodes give a check when they first send it. */
  readonly checkTimeoutMs: number;
  /** Where a node's clock is known to be later than its connection shows, by more than this, a grant by it is as good as over. */
  readonly mostBehindMs: number;
  readonly counted: (answer: Told) => void;
  /** A client asks for a session to be cancelled; resolves when it was, or will not be. */
  readonly cancel: (asked: CancelRequest) => Promise<void>;
  /** A node has asked for a connection that is another node's. */
  readonly forged: (node: NodeId) => void;
}

/** What a client was told, for those who count. */
export interface Told {
  /** Undefined where the client named no service of ours. */
  readonly service: string | undefined;
  /** Undefined: granted, and not for KILL alone. */
  readonly reason: Reason | undefined;
  readonly waitedMs: number;
}

/** Over all queues: some 2 KiB each, of which a client's certificate is the most. */
const bounds = { maxChecks: 100_000, maxChars: 256 << 20, nodesShare: 1 / 2 };
/**
 * The largest that a check may be. Envoy's TLS reads at most 100 KiB of certificates of a client (BoringSSL's default). URL-encoded
 * PEM is half as much again, and the first name in it may come once more; all else that an honest check has is less than 4 KiB.
 */
const maxCheckBytes = 256 << 10;

/** Of a check that is sent again: no first try takes this long to be sent. */
const retryMs = 50;
/** How long a check that is given back was held at least: so its next try shows that it is one. */
const bounceMs = 2 * retryMs;
/** The same, of one that was tried before: a check has 90 tries for up to ten minutes. */
const nextBounceMs = 30_000;

const nobodyWaits = (): void => undefined;

interface Held {
  readonly check: Check;
  readonly node: NodeId;
  readonly clock: ChannelClock;
  readonly bornMs: number;
  readonly arrivedMs: number;
  /** Another brain, or this one, was asked before. */
  readonly isRetry: boolean;
  /** On the node's clock. */
  readonly sentMs: number;
  readonly call: Call;
  /** Undefined until he is identified. */
  service: ServicePlan | undefined;
  /** By which he was. */
  plan: Plan | undefined;
}

export class AuthzService {
  readonly #options: AuthzOptions;
  readonly #names = new CertificateNames();
  /** By channel: two machines that share a name by mistake do not share a clock. */
  readonly #clocks = new ChannelClocks();
  readonly #held = new HeldChecks<Held>(bounds);
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

  /** The leader has decided. Nothing for a client who has left. */
  answer(answer: Answer): void {
    const held = this.#held.get(answer.connection);
    if (!held) return;
    if (answer.kind === 'refuse') this.#refuse(held, answer.service, answer.refusal, answer.waitedMs);
    else this.#grant(held, answer);
  }

  /**
   * Refuses whose time is up: to be called now and then where the leader may be too far to do it.
   *
   * @param graceMs for the leader's own refusal to arrive
   */
  expire(graceMs: number): void {
    const nowMs = this.#options.now();
    for (const held of this.#held) {
      const { bornMs, service } = held;
      const waitedMs = nowMs - bornMs;
      if (!service || waitedMs < service.timeoutMs + graceMs) continue;
      const why = `${noLeader.why}; waited ${Math.round(waitedMs)} ms (timeout_ms ${service.timeoutMs})`;
      this.#refuse(held, service.name, refusals.not_ready({ what: noLeader.what, why }), waitedMs);
      this.#options.withdraw(held.check.connection);
    }
  }

  /**
   * Gives back checks for their nodes to ask the next brain, where this one has nobody to ask: each once, and then seldom, so
   * that clients are held when no brain has.
   */
  giveBack(): void {
    const nowMs = this.#options.now();
    for (const held of this.#held) {
      if (!held.service || nowMs - held.arrivedMs < (held.isRetry ? nextBounceMs : bounceMs)) continue;
      held.call.end(Status.unavailable, 'this brain reaches no leader');
      this.#forget(held);
    }
  }

  /** Gives back every held check, so that its node asks the next brain. */
  stop(): void {
    this.#stopped = true;
    for (const { call } of this.#held) call.end(Status.unavailable, 'stopping');
    this.#held.clear();
  }

  /** @returns what to do when the node has given the check up. */
  #take(check: Check | undefined, call: Call): () => void {
    const earlier = check && this.#held.get(check.connection);
    const full = check && this.#held.whyNot(check, call.caller.node);
    if (!check) this.#answerMalformed(call);
    else if (this.#stopped) call.end(Status.unavailable, 'stopping');
    else if (check.cancel) void this.#cancel(check, check.cancel, call);
    else if (earlier && earlier.node !== call.caller.node) this.#answerForged(check, call);
    else if (full !== undefined) call.end(Status.resourceExhausted, full);
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
    const clock = this.#clocks.of(call.caller, call.caller.node);
    const retriedAfterMs = this.#retriedAfterMs(call);
    const { monotonicMs, ageMs, bornUnixMs } = check;
    const waitedMs = clock.observe({ monotonicMs, ageMs, bornUnixMs, retriedAfterMs }, arrivedMs);
    const sentMs = monotonicMs + retriedAfterMs;
    // It lay in a socket while its node has asked again: nobody waits for its answer, and another call has its place.
    if (earlier && sentMs < earlier.sentMs) {
      call.end(Status.aborted, 'asked again by another call');
      return nobodyWaits;
    }
    const held: Held = {
      check,
      node: call.caller.node,
      clock,
      bornMs: arrivedMs - waitedMs,
      arrivedMs,
      isRetry: retriedAfterMs >= retryMs,
      sentMs,
      call,
      service: earlier?.service,
      plan: undefined,
    };
    this.#held.hold(held);
    earlier?.call.end(Status.aborted, 'asked again by another call');
    this.#decide(held);
    return () => this.#forget(held);
  }

  #decide(held: Held): void {
    const { ask, withdraw, now } = this.#options;
    const { node, bornMs, sentMs } = held;
    const { connection, address, frontId } = held.check;
    const identified = this.#identify(held);
    if ('refusal' in identified) {
      const wasAsked = held.service !== undefined;
      this.#refuse(held, undefined, identified.refusal, now() - bornMs);
      // The leader may still have the client in a queue from an earlier call.
      if (wasAsked) withdraw(connection);
      return;
    }
    held.service = identified.service;
    const source = address === '' ? undefined : sourceOf(address);
    ask({ connection, node, service: identified.service.name, source, bornMs, sentMs, frontId });
  }

  #identify(held: Held): Identified {
    const plan = this.#options.plan();
    held.plan = plan;
    const principals = this.#principals(held.check, plan);
    const { listener, tls, serverName, address, user, database } = held.check;
    return identify({ listener, tls, serverName, principals, address, user, database }, plan);
  }

  /** Only what the listener has verified is a name. */
  #principals(check: Check, plan: Plan): readonly string[] {
    const isVerified = check.tls && plan.listeners.get(check.listener)?.clientCa !== undefined;
    return isVerified && check.certificate ? this.#names.of(check.certificate) : [];
  }

  #grant(held: Held, answer: Extract<Answer, { kind: 'grant' }>): void {
    const { service, cluster, expiresMs, waitedMs, onlyKill } = answer;
    const { connection } = held.check;
    const planned = this.#options.plan().services.get(service);
    if (planned === undefined) {
      // Removed in this very step: the ledger hears of it when the grant runs out.
      this.#refuse(held, service, refusals.service_removed({ service }), waitedMs);
      return;
    }
    // He may have waited for minutes, and rules may have changed. Here too the grant runs out.
    const identified = held.plan === this.#options.plan() ? undefined : this.#identify(held);
    if (identified && 'refusal' in identified) {
      this.#refuse(held, service, identified.refusal, waitedMs);
      return;
    }
    this.#held.forget(connection);
    if (held.clock.isDoubtful(this.#options.now(), this.#options.mostBehindMs)) {
      // Not withdrawn: its slot is kept for the node's next try, which finds a connection to be sent by.
      held.call.end(Status.unavailable, 'it waited for too long before it was sent');
      return;
    }
    const expiresMonotonicMs = Math.floor(held.clock.nodeMs(expiresMs));
    const { limits } = planned;
    const upstreamTls = asksForTls(cluster) ? 'request' : undefined;
    const grant = { connection, cluster, expiresMonotonicMs, upstreamTls } as const;
    const verdict = onlyKill ? killMetadata(grant, onlyKill) : grantMetadata(grant, limits);
    held.call.reply(writeOk(verdict));
    this.#options.counted({ service, reason: onlyKill?.reason, waitedMs });
  }

  #refuse(held: Held, service: string | undefined, refusal: Refusal, waitedMs: number): void {
    this.#held.forget(held.check.connection);
    held.call.reply(writeOk(refusalMetadata(held.check.connection, refusal)));
    this.#options.counted({ service, reason: refusal.reason, waitedMs });
  }

  #isHeld(held: Held): boolean {
    return this.#held.get(held.check.connection) === held;
  }

  #forget(held: Held): void {
    if (!this.#isHeld(held)) return;
    this.#held.forget(held.check.connection);
    if (held.service) this.#options.withdraw(held.check.connection);
  }

  /** Envoy counts the time-out down from the first try to the last. */
  #retriedAfterMs(call: Call): number {
    const left = Number(call.header('x-envoy-expected-rq-timeout-ms'));
    return left > 0 ? Math.max(0, this.#options.checkTimeoutMs - left) : 0;
  }
}
