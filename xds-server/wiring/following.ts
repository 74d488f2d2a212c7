/**
 * A brain among others: as a follower it passes what its nodes ask and tell to the leader, as the leader it takes what
 * followers pass.
 *
 *   follower:  desk ──▶ link ══════▶ follow service ──▶ leading     :leader
 *              desk ◀── link ◀══════ follow service ◀── answers
 */
import type { Logger } from 'pino';
import type { CancelRequest } from '../pure/cancel/cancel-request.js';
import type { Leadership } from '../pure/leadership/leadership.js';
import type { ConnectionId, NodeId } from '../pure/ledger/events.js';
import { Claims, maxNodes } from '../pure/peers/claims.js';
import type { Desk } from '../pure/peers/desk.js';
import type { News, Order } from '../pure/peers/messages.js';
import { type Reply, type Question as Request, Requests } from '../pure/peers/requests.js';
import type { Offer } from '../pure/surplus/surplus.js';
import { findWithinMs, type Question as KillQuestion } from '../shells/cancels/session-finder.js';
import type { NodeLimits } from '../shells/control/enactment.js';
import { type Follower, FollowService } from '../shells/peers/follow-service.js';
import { LeaderLink, type LinkCredentials } from '../shells/peers/leader-link.js';
import type { Leading } from './leading.js';

export interface FollowingOptions {
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly log: Logger;
  readonly desk: Desk;
  readonly leading: () => Leading | undefined;
  readonly credentials: () => LinkCredentials | undefined;
  /** To a question that is waited for. */
  readonly answered: (order: Extract<Order, { kind: 'grant' | 'refuse' }>) => void;
  /** Limits that the leader's nodes have, and that it has said. */
  readonly limits: () => NodeLimits;
  readonly obey: (limits: NodeLimits) => void;
  /** Resolves true when a node of this brain's own has what a service needs, false where it may take longer. */
  readonly whenHas: (node: NodeId, service: string, needs: string) => Promise<boolean>;
}

/** A term that is over may be renewed by etcd any moment: brains that follow are not sent away at once. */
const lapseMs = 1_000;
/** Questions of the leader at once; who is not told asks again. */
const maxAwaited = 20_000;
/**
 * How long each question is kept. A leader is found and has had its say by then, and the answer is there before a node gives
 * its question up: to Envoy a brain that does not answer in time is dead.
 */
const patienceMs = { interrupt: 6_000, find: findWithinMs, idle: 1_000 } as const;

export class Following {
  readonly claims: Claims<Follower>;
  readonly #options: FollowingOptions;
  readonly #service: FollowService;
  readonly #requests: Requests;
  readonly #awaited = new Set<string>();
  /** Nodes that report by this brain. */
  readonly #reporting = new WeakMap<Follower, Set<NodeId>>();
  /** Whose nodes are too many: said once. */
  readonly #crowded = new WeakSet<Follower>();
  #link: LeaderLink | undefined;
  #leader: Extract<Leadership, { kind: 'follower' }> | undefined;
  #term: number | undefined;
  #termEndsMs = Number.NEGATIVE_INFINITY;
  /** Since when no leader can be told; of one that has just begun, since it has heard of the first. */
  #unreachedMs: number;
  #hasBegun = false;

  constructor(options: FollowingOptions) {
    const { now, log } = options;
    this.#options = options;
    this.#unreachedMs = now();
    this.#requests = new Requests({
      pass: (news) => this.#request(news),
      patience: (kind, over) => {
        const timer = setTimeout(over, patienceMs[kind]);
        return () => clearTimeout(timer);
      },
    });
    this.claims = new Claims({
      now,
      ask: (follower, node, service, needs) => follower.order({ kind: 'await', node, service, needs }),
    });
    this.#service = new FollowService({
      now,
      term: () => (now() < this.#termEndsMs + lapseMs ? this.#term : undefined),
      joined: (follower) => {
        log.info({ brain: follower.brain }, 'a brain follows');
        follower.order({ kind: 'limits', ...options.limits() });
      },
      told: (follower, news) => this.#told(follower, news),
      left: (follower) => {
        log.warn({ brain: follower.brain }, 'a brain does not follow any more');
        this.claims.lost(follower);
        options.leading()?.leave(follower);
        for (const node of this.#reporting.get(follower) ?? []) options.leading()?.cutOff(node);
      },
    });
  }

  /** For other brains to call. */
  get method() {
    return this.#service.method;
  }

  /** Brains that follow this one, each with how many nodes it speaks for. */
  get followers(): readonly { readonly brain: string; readonly nodes: number }[] {
    return [...this.#service.followers].map((follower) => ({
      brain: follower.brain,
      nodes: this.claims.countOf(follower),
    }));
  }

  /** Of this brain to the leader; undefined where it is the leader, or nobody is known to be. */
  get link(): { readonly isOpen: boolean; readonly problem: string | undefined } | undefined {
    return this.#link && { isOpen: this.#link.isOpen, problem: this.#link.problem };
  }

  /** For how long no other brain could be told anything. */
  get unreachedForMs(): number {
    return Math.max(0, this.#options.now() - this.#unreachedMs);
  }

  /** @param brain who this one is */
  turnTo(leadership: Leadership, brain: string): void {
    if (leadership.kind === 'leader') {
      this.#hasBegun = true;
      this.#leave();
      this.#term = leadership.term;
      this.#termEndsMs = leadership.untilMs;
      return;
    }
    if (this.#term !== undefined) {
      this.#term = undefined;
      this.#unreachedMs = this.#options.now();
      this.#requests.close();
      this.#service.dismiss('this brain does not lead any more');
    }
    if (leadership.kind === 'nobody') this.#leave();
    else if (leadership.term !== this.#leader?.term) {
      this.#leave();
      this.#follow(leadership, brain);
    }
  }

  /** For the leader, when it is another brain that can be reached. */
  pass(news: News): void {
    this.#link?.pass(news);
  }

  find(question: KillQuestion, node: NodeId): Promise<number | undefined> {
    return this.#requests.find({ ...question, node });
  }

  surplus(node: NodeId, sessions: readonly Offer[]): Promise<readonly ConnectionId[]> {
    return this.#requests.surplus(node, sessions);
  }

  interrupt(asked: CancelRequest): Promise<void> {
    return this.#requests.interrupt(asked);
  }

  /** This brain leads, and is asked itself what nobody could be asked before. */
  askHere(): void {
    this.#requests.open();
  }

  tellLimits(limits: NodeLimits): void {
    for (const follower of this.#service.followers) follower.order({ kind: 'limits', ...limits });
  }

  stop(): void {
    this.#leave();
    this.#service.stop();
  }

  #follow(leader: Extract<Leadership, { kind: 'follower' }>, brain: string): void {
    const { now, log, desk, credentials } = this.#options;
    const of = { brain: leader.brain, address: leader.address, term: leader.term };
    if (!this.#hasBegun) this.#unreachedMs = now();
    this.#hasBegun = true;
    this.#leader = leader;
    this.#link = new LeaderLink({
      ...{ brain, leader, now },
      credentials,
      opened: () => {
        log.info(of, 'this brain follows');
        this.#unreachedMs = Number.POSITIVE_INFINITY;
        desk.open();
        this.#requests.open();
        return desk.retold();
      },
      closed: (why, isMeant) => {
        if (!isMeant) log.warn({ ...of, why }, 'the leader is lost; what it is asked is kept');
        this.#unreachedMs = now();
        desk.close();
        this.#requests.close();
      },
      ordered: (order) => this.#ordered(order),
    });
  }

  #leave(): void {
    this.#link?.stop();
    this.#link = undefined;
    this.#leader = undefined;
  }

  #ordered(order: Order): void {
    const { answered, obey } = this.#options;
    if (order.kind === 'grant' || order.kind === 'refuse') answered(order);
    else if (order.kind === 'limits') obey(order);
    else if (order.kind === 'await') void this.#await(order);
    else this.#requests.answered(order);
  }

  async #await({ node, service, needs }: Extract<Order, { kind: 'await' }>): Promise<void> {
    const key = `${node} ${needs}`;
    if (this.#awaited.has(key) || this.#awaited.size >= maxAwaited) return;
    this.#awaited.add(key);
    const isReady = await this.#options.whenHas(node, service, needs);
    this.#awaited.delete(key);
    if (isReady) this.pass({ kind: 'ready', node, service, needs });
  }

  #reportsBy(follower: Follower): Set<NodeId> {
    const known = this.#reporting.get(follower) ?? new Set();
    this.#reporting.set(follower, known);
    // Of more than there may be, the sessions are found silent in time.
    if (known.size >= maxNodes) known.clear();
    return known;
  }

  #claim(follower: Follower, node: NodeId, runtime: string | undefined): void {
    if (this.claims.claim(follower, node, runtime) || this.#crowded.has(follower)) return;
    this.#crowded.add(follower);
    const of = { brain: follower.brain, node, most: maxNodes };
    this.#options.log.error(
      of,
      'nodes of this brain are given nothing: there are more than the leader can know of',
    );
  }

  #told(follower: Follower, news: News): void {
    const leading = this.#options.leading();
    if (!leading) return;
    if (news.kind === 'check') leading.ask(news.question, follower);
    else if (news.kind === 'cancel') leading.withdraw(news.connection, follower);
    else if (news.kind === 'session') {
      this.#reportsBy(follower).add(news.session.event.node);
      leading.report(news.session);
    } else if (news.kind === 'login') leading.loggedIn(news.login);
    else if (news.kind === 'cut-off') leading.cutOff(news.node);
    else if (news.kind === 'ready') this.claims.becameReady(follower, news.node, news.needs);
    else if (news.kind === 'node' && news.isHere) this.#claim(follower, news.node, news.runtime);
    else if (news.kind === 'node') this.claims.release(follower, news.node);
    else void reply(leading, news).then((order) => follower.order(order));
  }

  #request(question: Request): void {
    const leading = this.#options.leading();
    if (!leading) this.pass(question);
    else void reply(leading, question).then((found) => this.#requests.answered(found));
  }
}

async function reply(leading: Leading, question: Request): Promise<Reply> {
  const { request } = question;
  if (question.kind === 'idle')
    return { kind: 'surplus', request, connections: leading.surplus(question.node, question.sessions) };
  if (question.kind === 'interrupt') {
    await leading.cancel(question.asked);
    return { kind: 'interrupted', request };
  }
  const { node, connection, frontId } = question;
  return { kind: 'found', request, serverId: await leading.find({ connection, frontId }, node) };
}
