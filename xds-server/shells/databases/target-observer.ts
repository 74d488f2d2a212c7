/**
 * Asks the servers of one target for their sessions, again and again, and tells the ledger. It decides when to ask
 * and what counts as an answer, and nothing about slots.
 *
 *              soon(): at once, and 5 ms after the last
 *   waiting ────────────────────────────────────────────▶ asking ──▶ answered, or not
 *      ▲ └───────── due ──────────────────────────────────▲            │
 *      └── 20 ms, then twice as long each time, 1 s at most ◀──────────┘
 *
 * One question at a time. A target's answer is that of all its servers together: where one is silent the others
 * prove nothing about a connection that may be on any of them.
 */
import type { LedgerEvent, ServerId } from '../../pure/ledger/events.js';
import { formatAddress } from '../../pure/plan/address.js';
import type { Endpoint, TargetPlan } from '../../pure/plan/plan.js';
import {
  type Connect,
  isUnreachable,
  type Link,
  type LinkTls,
  type Login,
  patience,
  problemOf,
  type ServerFacts,
  type ServerSessions,
} from './link.js';

/** Between two questions when each is wanted for a reason of its own. */
const leastMs = 5;
/** And never more than this part of the time goes into asking and telling: a long list costs database and brain. */
const dutyCycle = 1 / 4;
/** Between questions that wait for one and the same thing, at first. */
const quickMs = 20;
const calmMs = 1_000;

/** A server is said to be down after this long without anybody listening there. */
const downAfterMs = 1_000;

/** Between attempts to connect: longer each time, so that a wrong password does not fill the server's log. */
const reconnect = { firstMs: 250, mostMs: 2_000 } as const;

/**
 * Between two connections that are dialled to know that the queue before a server has passed; twice as long each time
 * that one fails. Each costs the server a process and a login, and until it is let in nobody's broken login is proven over.
 */
const redial = { leastMs: 250, mostMs: 16_000 } as const;

export interface TargetObserverOptions {
  readonly target: TargetPlan;
  readonly login: Login;
  /** Absent: plaintext. */
  readonly tls?: LinkTls;
  readonly connect: Connect;
  readonly now: () => number;
  readonly tell: (event: LedgerEvent) => void;
  /** Called at each new connection. */
  readonly connected: (endpoint: Endpoint, facts: ServerFacts) => void;
}

export class TargetObserver {
  readonly #options: TargetObserverOptions;
  readonly #servers: readonly ObservedServer[];
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #pauseMs: number = quickMs;
  #askedMs = Number.NEGATIVE_INFINITY;
  /** What the last question and its answer took. */
  #tookMs = 0;
  #asking = false;
  /** Something happened that the question under way may have been too early for. */
  #again = false;
  /** The next question is also for who logs in. */
  #withLogins = false;
  #telling = false;
  #stopped = false;
  #answeredMs: number | undefined;
  #problem: string | undefined;

  constructor(options: TargetObserverOptions) {
    this.#options = options;
    this.#servers = options.target.endpoints.map((endpoint) => new ObservedServer(endpoint, options));
    this.#due(0);
  }

  /** Undefined before the first question was answered or failed. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** When the target last answered, on the monotonic clock. */
  get answeredMs(): number | undefined {
    return this.#answeredMs;
  }

  /** Whether it is certain that no client could connect: nobody has listened there for a while, on any server. */
  get isDown(): boolean {
    const since = Math.max(
      ...this.#servers.map((server) => server.unreachableSinceMs ?? Number.POSITIVE_INFINITY),
    );
    return this.#options.now() - since >= downAfterMs;
  }

  /**
   * A slot waits for the database's word.
   *
   * @param dialledAfterMs also for who logs in, over connections that are dialled after this time; −∞: over any
   */
  soon(dialledAfterMs?: number): void {
    if (dialledAfterMs !== undefined) {
      this.#withLogins = true;
      for (const server of this.#servers) server.renew(dialledAfterMs, () => this.soon());
    }
    // Asked for because the answer that is being told did not settle it: no reason to ask faster.
    if (this.#telling) return;
    this.#pauseMs = quickMs;
    this.#again = this.#asking;
    if (!this.#asking) this.#due(this.#leastMs());
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const server of this.#servers) server.close();
  }

  #leastMs(): number {
    const pauseMs = Math.max(leastMs, Math.min(this.#tookMs / dutyCycle, calmMs));
    return Math.max(0, this.#askedMs + pauseMs - this.#options.now());
  }

  #due(inMs: number): void {
    const due = this.#options.now() + inMs;
    if (due >= this.#dueMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = due;
    this.#timer = setTimeout(() => void this.#ask(), inMs);
    this.#timer.unref();
  }

  async #ask(): Promise<void> {
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#asking = true;
    const askedAtMs = this.#options.now();
    this.#askedMs = askedAtMs;
    const withLogins = this.#withLogins;
    this.#withLogins = false;
    const answers = await Promise.allSettled(this.#servers.map((server) => server.list(withLogins)));
    this.#asking = false;
    if (this.#stopped) return;
    // Who was asked for is asked for until there is an answer.
    if (answers.some(({ status }) => status === 'rejected')) this.#withLogins ||= withLogins;
    this.#telling = true;
    this.#options.tell(this.#eventOf(answers, askedAtMs));
    this.#telling = false;
    this.#tookMs = this.#options.now() - askedAtMs;
    this.#due(this.#again ? this.#leastMs() : this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, calmMs);
    this.#again = false;
  }

  #eventOf(answers: readonly PromiseSettledResult<ServerAnswer>[], askedAtMs: number): LedgerEvent {
    const target = this.#options.target.name;
    const given: ServerAnswer[] = [];
    const problems: string[] = [];
    for (const [index, answer] of answers.entries()) {
      if (answer.status === 'fulfilled') given.push(answer.value);
      else problems.push(`${this.#servers[index]!.prefix}${problemOf(answer.reason)}`);
    }
    if (problems.length > 0) {
      this.#problem = problems.join('; ');
      return { kind: 'unobserved', target, problem: this.#problem };
    }
    this.#problem = undefined;
    this.#answeredMs = this.#options.now();
    return {
      kind: 'observed',
      target,
      askedAtMs,
      // Taken out server by server: another one may have given the same number to a client.
      sessions: given.flatMap(({ sessions, own }) => sessions.filter(({ serverId }) => serverId !== own)),
      own: given.map((answer) => answer.own),
      listsLogins: given.every((answer) => answer.facts.listsLogins),
      namesLogins: given.every(({ facts }) => facts.namesLogins),
      loginTimeoutMs: Math.max(...given.map((answer) => answer.facts.loginTimeoutMs)),
      ...(given.every(({ loggingIn }) => loggingIn) && {
        logins: {
          serverIds: given.flatMap(({ loggingIn }) => loggingIn!),
          dialledMs: Math.min(...given.map(({ dialledMs }) => dialledMs)),
          letInMs: Math.max(...given.map(({ letInMs }) => letInMs)),
        },
      }),
    };
  }
}

interface Dialled {
  readonly link: Link;
  readonly dialledMs: number;
  readonly letInMs: number;
}

interface ServerAnswer extends ServerSessions, Omit<Dialled, 'link'> {
  readonly own: ServerId;
  readonly facts: ServerFacts;
}

/** One server and the one connection to it; two while a new one takes the place of the old. */
class ObservedServer {
  readonly #endpoint: Endpoint;
  readonly #options: TargetObserverOptions;
  #dialled: Dialled | undefined;
  /** It takes the place of the one above at the next question. */
  #newer: Dialled | undefined;
  #renewing = false;
  #renewFromMs = Number.NEGATIVE_INFINITY;
  #renewTimer: NodeJS.Timeout | undefined;
  #renewPauseMs: number = redial.leastMs;
  #closed = false;
  #pauseMs: number = reconnect.firstMs;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #failure: unknown;
  /** Before its problems, where there are others. */
  readonly prefix: string;
  /** Since when each attempt to connect found nobody. */
  unreachableSinceMs: number | undefined;

  constructor(endpoint: Endpoint, options: TargetObserverOptions) {
    this.#endpoint = endpoint;
    this.#options = options;
    const isOneOfSeveral = options.target.endpoints.length > 1;
    this.prefix = isOneOfSeveral ? `${formatAddress(endpoint)}: ` : '';
  }

  async list(withLogins: boolean): Promise<ServerAnswer> {
    const dialled = this.#newest() ?? (await this.#connect());
    const { link, dialledMs, letInMs } = dialled;
    try {
      const answer = await link.list(withLogins && link.facts.namesLogins);
      return { ...answer, own: link.ownId, facts: link.facts, dialledMs, letInMs };
    } catch (error) {
      link.close();
      this.#dialled = undefined;
      throw error;
    }
  }

  /**
   * Dials anew, beside the connection that there is, unless that is young enough: now, or as soon as the pause since the last
   * dial is over.
   *
   * It is given up only when a login would be: each dial that is given up is one more that the server will take in, and
   * give a slot to for a moment.
   */
  renew(dialledAfterMs: number, done: () => void): void {
    const { now, login, tls, connect, target } = this.#options;
    const before = this.#dialled;
    const dialledMs = now();
    // Who is wanted by the time that one is let in is wanted again by the list that is asked for then.
    if (this.#renewing || this.#newer || this.#closed) return;
    if (!before?.link.facts.namesLogins || before.dialledMs > dialledAfterMs || dialledMs <= dialledAfterMs)
      return;
    clearTimeout(this.#renewTimer);
    if (dialledMs < this.#renewFromMs) {
      this.#renewTimer = setTimeout(() => this.renew(dialledAfterMs, done), this.#renewFromMs - dialledMs);
      this.#renewTimer.unref();
      return;
    }
    this.#renewing = true;
    const approach = { proxyProtocol: target.proxyProtocol, tls };
    connect(this.#endpoint, login, approach, before.link.facts.loginTimeoutMs)
      .then((link) => {
        this.#renewPauseMs = redial.leastMs;
        this.#newer = { link, dialledMs, letInMs: now() };
        if (this.#closed) this.close();
        else done();
      })
      .catch(() => {
        // The connection that there is says what is wrong, if anything is.
        this.#renewPauseMs = Math.min(this.#renewPauseMs * 2, redial.mostMs);
      })
      .finally(() => {
        this.#renewing = false;
        this.#renewFromMs = now() + this.#renewPauseMs;
      });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#renewTimer);
    this.#dialled?.link.close();
    this.#newer?.link.close();
  }

  #newest(): Dialled | undefined {
    if (!this.#newer) return this.#dialled;
    this.#dialled?.link.close();
    this.#dialled = this.#newer;
    this.#newer = undefined;
    return this.#dialled;
  }

  async #connect(): Promise<Dialled> {
    const { now, login, tls, connect, connected, target } = this.#options;
    if (now() < this.#retryAtMs) throw this.#failure;
    const startedMs = now();
    try {
      const link = await connect(
        this.#endpoint,
        login,
        { proxyProtocol: target.proxyProtocol, tls },
        patience.connectMs,
      );
      if (this.#closed) {
        link.close();
        throw new Error('stopped');
      }
      this.#dialled = { link, dialledMs: startedMs, letInMs: now() };
      this.#pauseMs = reconnect.firstMs;
      this.unreachableSinceMs = undefined;
      connected(this.#endpoint, link.facts);
      return this.#dialled;
    } catch (error) {
      const nobodyThere = isUnreachable(error);
      this.#failure = error;
      this.unreachableSinceMs = nobodyThere ? (this.unreachableSinceMs ?? startedMs) : undefined;
      // Nobody reads a log where nobody listens, and clients are refused until it is noticed that somebody does.
      if (nobodyThere) this.#pauseMs = reconnect.firstMs;
      this.#retryAtMs = now() + this.#pauseMs;
      this.#pauseMs = Math.min(this.#pauseMs * 2, reconnect.mostMs);
      throw error;
    }
  }
}
