/**
 * Who decides for the clients of this brain's nodes: this brain while it leads, the one that does, or for a while nobody.
 *
 *   desk ──▶ leading            this brain leads
 *       ╰──▶ following ══▶      another one does
 *
 * What is asked while nobody can be reached is kept, and told to the next leader.
 */
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { CancelRequest } from '../pure/cancel/cancel-request.js';
import { alone, type Leadership, type Term } from '../pure/leadership/leadership.js';
import type { ConnectionId, NodeId } from '../pure/ledger/events.js';
import { Ledger } from '../pure/ledger/ledger.js';
import type { LedgerSettings } from '../pure/ledger/settings.js';
import type { LedgerView, ViewOptions } from '../pure/ledger/view.js';
import { Desk } from '../pure/peers/desk.js';
import type { Answer, News } from '../pure/peers/messages.js';
import type { Plan } from '../pure/plan/plan.js';
import type { LeadershipStatus } from '../pure/status/status.js';
import type { Offer } from '../pure/surplus/surplus.js';
import type { Question as KillQuestion } from '../shells/cancels/session-finder.js';
import type { Asker } from '../shells/control/admission.js';
import type { Enactment } from '../shells/control/enactment.js';
import { leadershipStatus } from '../shells/control/leadership-status.js';
import { NodeReadiness, type NodeReadinessOptions } from '../shells/control/node-readiness.js';
import { ElectionLoop, type ElectionOptions } from '../shells/election/election-loop.js';
import type { LoadedSpec } from '../shells/store/load-spec.js';
import { Following, type FollowingOptions } from './following.js';
import { Leading, type LeadingOptions } from './leading.js';

export type Candidate = Pick<ElectionOptions, 'etcd' | 'prefix' | 'brain' | 'address'>;

export interface DecidingOptions
  extends Pick<LeadingOptions, 'plan' | 'metrics' | 'forged' | 'connected'>,
    Pick<FollowingOptions, 'credentials'> {
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly log: Logger;
  /** Of this brain's own nodes. */
  readonly readiness: Omit<NodeReadinessOptions, 'others'>;
  readonly settings: Omit<LedgerSettings, 'follows'>;
  /** Where there are several brains; absent: this one leads for as long as it runs. It closes the client of etcd. */
  readonly candidate: Candidate | undefined;
  readonly enactment: () => Enactment;
  readonly loaded: () => LoadedSpec | undefined;
  /** To a question that is waited for. */
  readonly answered: (answer: Answer) => void;
}

/** Between two looks at whether what was given has been used. */
const handOverLookMs = 10;
/** In one turn of the loop. */
const retoldAtOnce = 500;

export class Deciding {
  readonly #options: DecidingOptions;
  readonly desk: Desk;
  readonly following: Following;
  /** Of a brain that does not lead. */
  readonly #nothingKnown: Ledger;
  /** This brain, as its own leading half knows those who ask. */
  #self: Asker | undefined;
  /** Of this brain's own nodes, for the leader that asks. */
  readonly #own: NodeReadiness;
  readonly #readiness: NodeReadiness;
  #leading: Leading | undefined;
  #term: Term | undefined;
  #election: ElectionLoop | undefined;
  /** It stops: whoever leads is no concern of its any more. */
  #deaf = false;

  constructor(options: DecidingOptions) {
    const { now, log, settings, candidate, enactment, credentials } = options;
    this.#options = options;
    this.#own = new NodeReadiness(options.readiness);
    this.#nothingKnown = new Ledger({ ...settings, follows: 'restart' });
    this.desk = new Desk({
      pass: (news) => this.#pass(news),
      now,
      sessionsKeptMs: candidate ? settings.silentAfterMs - settings.reportIntervalMs : 0,
    });
    this.following = new Following({
      ...{ now, log, desk: this.desk, credentials },
      whenHas: (node, service, needs) => this.#own.whenHas(node, service, needs),
      leading: () => this.#leading,
      answered: (answer) => this.#answered(answer),
      limits: () => enactment().nodeLimits,
      obey: (limits) => enactment().obey(limits),
    });
    const others = candidate && { others: this.following.claims };
    this.#readiness = new NodeReadiness({ ...options.readiness, ...others });
  }

  /** While this brain leads. */
  get leading(): Leading | undefined {
    return this.#leading;
  }

  /**
   * For election, where there is one: nodes are served by then. Who has no spec only looks on: it could grant nothing, and
   * would turn away whom another brain lets in.
   */
  begin(): void {
    const { candidate, now, log, loaded } = this.#options;
    if (!candidate) {
      this.#follow(alone);
      return;
    }
    this.#election = new ElectionLoop({ ...candidate, now, log, stands: loaded() !== undefined });
    this.#election.subscribe((leadership) => this.#follow(leadership));
  }

  view(options?: ViewOptions): LedgerView {
    return (this.#leading ?? this.#nothingKnown).view(options);
  }

  get status(): LeadershipStatus {
    const { candidate, now } = this.#options;
    const { trouble, namesake } = this.#election ?? {};
    const { followers, link, unreachedForMs } = this.following;
    return leadershipStatus({
      ...{ leadership: this.#leadership, brain: candidate?.brain, trouble, namesake, nowMs: now() },
      ...{ followers, link, unreachedForMs },
    });
  }

  /** For how long nobody who may grant could be asked from here, as far as is known: this brain or another. */
  get leaderlessMs(): number {
    const leadership = this.#leadership;
    if (leadership.kind !== 'leader') return this.following.unreachedForMs;
    return Math.max(0, this.#options.now() - leadership.untilMs);
  }

  get #leadership(): Leadership {
    if (!this.#options.candidate) return alone;
    return this.#election?.leadership ?? { kind: 'nobody' };
  }

  cancel(asked: CancelRequest): Promise<void> {
    return this.#leading?.cancel(asked) ?? this.following.interrupt(asked);
  }

  find(question: KillQuestion, node: NodeId): Promise<number | undefined> {
    return this.#leading?.find(question, node) ?? this.following.find(question, node);
  }

  /** @returns those of these sessions of the node, which rest, that shall end */
  async surplus(node: NodeId, sessions: readonly Offer[]): Promise<readonly ConnectionId[]> {
    return this.#leading?.surplus(node, sessions) ?? this.following.surplus(node, sessions);
  }

  /** Another spec is in force. */
  planned(plan: Plan, loaded: LoadedSpec): void {
    this.following.claims.planned();
    this.#own.planned();
    this.#readiness.planned();
    this.#leading?.observe(plan, loaded);
    this.#election?.stand();
  }

  /** Nothing is given any more; the next leader may begin when nothing that was given is under way. */
  async end(): Promise<void> {
    const { now, settings, candidate } = this.#options;
    this.#deaf = true;
    this.#leading?.term(Number.NEGATIVE_INFINITY);
    const overMs = now() + settings.grantTtlMs;
    const isUnderWay = (): boolean => [...this.view().targets.values()].some(({ granted }) => granted > 0);
    while (this.#election && isUnderWay() && now() < overMs) await pause(handOverLookMs);
    await this.#election?.resign();
    this.#election?.stop();
    candidate?.etcd.close();
    this.#lose();
    this.following.stop();
  }

  /** Who leads from now on. */
  #follow(leadership: Leadership): void {
    if (this.#deaf) return;
    if (leadership.kind !== 'leader' || leadership.term !== this.#term) this.#lose();
    this.following.turnTo(leadership, this.#options.candidate?.brain ?? '');
    if (leadership.kind !== 'leader') return;
    if (this.#leading) this.#leading.term(leadership.untilMs);
    else this.#lead(leadership.term, leadership.untilMs);
  }

  #lose(): void {
    if (!this.#leading) return;
    this.desk.close();
    this.#options.enactment().follow();
    this.#leading.stop();
    this.#leading = this.#term = undefined;
  }

  #lead(term: Term, untilMs: number): void {
    const { now, log, settings, candidate, plan, metrics, forged, connected, loaded, enactment } =
      this.#options;
    this.#term = term;
    this.#self = this.#asker(term);
    this.#leading = new Leading({
      ...{ now, log, plan, readiness: this.#readiness, metrics, forged, connected },
      settings: { ...settings, follows: candidate ? 'term' : 'restart' },
    });
    this.#leading.term(untilMs);
    enactment().lead();
    const spec = loaded();
    if (spec) this.#leading.observe(plan(), spec);
    this.desk.open();
    this.following.askHere();
    void this.#retell(this.#leading);
  }

  /** In pieces: sessions may be a hundred thousand, and the term runs out when the lease is not renewed meanwhile. */
  async #retell(leading: Leading): Promise<void> {
    let told = 0;
    for (const news of this.desk.retold()) {
      if (++told % retoldAtOnce === 0) await nextTurn();
      if (this.#leading !== leading) return;
      this.#pass(news);
    }
  }

  /** What this brain's own nodes ask and tell: decided here, or passed to the brain that leads. */
  #pass(news: News): void {
    if (!this.#leading) this.following.pass(news);
    else if (news.kind === 'check') this.#leading.ask(news.question, this.#self!);
    else if (news.kind === 'cancel') this.#leading.withdraw(news.connection, this.#self!);
    else if (news.kind === 'session') this.#leading.report(news.session);
    else if (news.kind === 'login') this.#leading.loggedIn(news.login);
    else if (news.kind === 'cut-off') this.#leading.cutOff(news.node);
  }

  /** What an earlier term of this brain has still to say is no answer: somebody else is asked by now. */
  #asker(term: Term): Asker {
    return {
      answer: (answer) => {
        if (this.#term === term) this.#answered(answer);
      },
      clockAt: (ms) => ms,
    };
  }

  #answered(answer: Answer): void {
    const fresh = this.desk.answered(answer, this.#options.now());
    if (fresh) this.#options.answered(fresh);
  }
}
