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
import type { LedgerEvent, ObservedSession, ServerId } from '../../pure/ledger/events.js';
import type { Endpoint, TargetPlan } from '../../pure/plan/plan.js';
import {
  type Connect,
  isUnreachable,
  type Link,
  type LinkTls,
  type Login,
  problemOf,
  type ServerFacts,
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

  /** A slot waits for the database's word. */
  soon(): void {
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
    const answers = await Promise.allSettled(this.#servers.map((server) => server.list()));
    this.#asking = false;
    if (this.#stopped) return;
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
    for (const answer of answers) {
      if (answer.status === 'fulfilled') given.push(answer.value);
      else problems.push(problemOf(answer.reason));
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
      loginTimeoutMs: Math.max(...given.map((answer) => answer.facts.loginTimeoutMs)),
    };
  }
}

interface ServerAnswer {
  readonly sessions: readonly ObservedSession[];
  readonly own: ServerId;
  readonly facts: ServerFacts;
}

/** One server and the one connection to it. */
class ObservedServer {
  readonly #endpoint: Endpoint;
  readonly #options: TargetObserverOptions;
  #link: Link | undefined;
  #closed = false;
  #pauseMs: number = reconnect.firstMs;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #failure: unknown;
  /** Since when each attempt to connect found nobody. */
  unreachableSinceMs: number | undefined;

  constructor(endpoint: Endpoint, options: TargetObserverOptions) {
    this.#endpoint = endpoint;
    this.#options = options;
  }

  async list(): Promise<ServerAnswer> {
    const link = this.#link ?? (await this.#connect());
    try {
      return { sessions: await link.list(), own: link.ownId, facts: link.facts };
    } catch (error) {
      link.close();
      this.#link = undefined;
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
    this.#link?.close();
  }

  async #connect(): Promise<Link> {
    const { now, login, tls, connect, connected, target } = this.#options;
    if (now() < this.#retryAtMs) throw this.#failure;
    const startedMs = now();
    try {
      const link = await connect(this.#endpoint, login, { proxyProtocol: target.proxyProtocol, tls });
      if (this.#closed) {
        link.close();
        throw new Error('stopped');
      }
      this.#link = link;
      this.#pauseMs = reconnect.firstMs;
      this.unreachableSinceMs = undefined;
      connected(this.#endpoint, link.facts);
      return link;
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
