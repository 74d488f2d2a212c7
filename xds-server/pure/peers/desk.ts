/**
 * What the nodes of one brain have asked and told, and to whom it is passed on: to whoever decides, this brain itself or
 * another, and to nobody while there is none. It keeps what a new leader has to be told anew: who waits, and which
 * sessions are open. Told twice does no harm: the ledger goes by the connection's id.
 *
 *   nobody ◀──close── open                    questions   from the check to its answer
 *      └─────open──────▲                      sessions    from the first report to the end
 *        all that is kept is passed           ends        while there is nobody
 *
 * A node may turn to another brain without a word, and tells that one of its ends. So a session counts as open for as long
 * as its node goes on reporting it here: whoever was told of one that is over would hold its slot for it.
 *
 * An answer counts only for the try of a question that waits, and only from the leader that it was passed to last.
 */

import type { Login } from '../cancel/session-directory.js';
import type { ConnectionId, NodeId } from '../ledger/events.js';
import type { Answer, News, Question, SessionNews } from './messages.js';

/** Sessions of this brain's nodes; what is beyond is told to a new leader by the next report. */
const maxSessions = 200_000;
/** Ends that nobody could be told of; of the oldest the database tells. */
const maxEnds = 20_000;

export interface DeskOptions {
  /** To the leader; called only while it is open. */
  readonly pass: (news: News) => void;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  /** A session is kept for so long after a report of it; 0 where there is one brain: nobody will ever have to be told anew. */
  readonly sessionsKeptMs: number;
}

interface Kept {
  readonly session: SessionNews;
  readonly reportedMs: number;
}

export class Desk {
  readonly #options: DeskOptions;
  readonly #questions = new Map<ConnectionId, Question>();
  /** The one that was reported longest ago first. */
  readonly #sessions = new Map<ConnectionId, Kept>();
  readonly #ends = new Map<ConnectionId, SessionNews>();
  /** Nodes that take their configuration here, each with the version of its breakers' limits. */
  readonly #nodes = new Map<NodeId, string | undefined>();
  #isOpen = false;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  /** There is a leader from now on, and `retold` is for it first. */
  open(): void {
    this.#isOpen = true;
  }

  /** Nobody leads, or nobody can be reached. */
  close(): void {
    this.#isOpen = false;
  }

  /**
   * All that a new leader has to be told, in an order that it can start with. What changes while it is read is in it as it
   * is then, or is passed on besides.
   */
  *retold(): Generator<News> {
    for (const [node, runtime] of this.#nodes) yield { kind: 'node', node, isHere: true, runtime };
    for (const session of this.#ends.values()) yield { kind: 'session', session };
    this.#ends.clear();
    this.#forgetUnreported();
    const beganMs = this.#options.now();
    for (const { session, reportedMs } of this.#sessions.values()) {
      // Those that are reported meanwhile are passed on besides, and may be as many as are told.
      if (reportedMs > beganMs) break;
      yield { kind: 'session', session };
    }
    for (const question of this.#questions.values()) yield { kind: 'check', question };
  }

  ask(question: Question): void {
    this.#questions.set(question.connection, question);
    this.#pass({ kind: 'check', question });
  }

  /** Nobody waits for the answer any more. */
  withdraw(connection: ConnectionId): void {
    if (this.#questions.delete(connection)) this.#pass({ kind: 'cancel', connection });
  }

  /** What a node says of another one's session is for the leader to count, and is not kept: the next one is not told of it. */
  tell(session: SessionNews): void {
    const { connection, node, kind } = session.event;
    const isForged = (this.#sessions.get(connection)?.session.event.node ?? node) !== node;
    if (this.#options.sessionsKeptMs > 0 && !isForged) this.#keep(session);
    if (this.#isOpen) this.#options.pass({ kind: 'session', session });
    else if (kind === 'end' && !isForged) this.#keepEnd(session);
  }

  /** Not kept: a new leader is told by the session's next report. */
  loggedIn(login: Login): void {
    this.#pass({ kind: 'login', login });
  }

  /** Its reports come no more by the way by which they came. Nothing of it is kept: a new leader hears of what is reported since. */
  cutOff(node: NodeId): void {
    this.#pass({ kind: 'cut-off', node });
  }

  /** @param runtime the version of its breakers' limits */
  nodeIsHere(node: NodeId, runtime: string | undefined): void {
    if (this.#nodes.has(node) && this.#nodes.get(node) === runtime) return;
    this.#nodes.set(node, runtime);
    this.#pass({ kind: 'node', node, isHere: true, runtime });
  }

  nodeHasLeft(node: NodeId): void {
    if (this.#nodes.delete(node)) this.#pass({ kind: 'node', node, isHere: false, runtime: undefined });
  }

  /**
   * The leader has answered.
   *
   * @returns the answer, if somebody waits for it. A grant that came too late is asked for again: its slot is kept. So is
   *   that of a grant for an earlier try: the leader takes a later one for proof that its answer was not heard.
   */
  answered(answer: Answer, nowMs: number): Answer | undefined {
    const question = this.#questions.get(answer.connection);
    if (!this.#isOpen || question?.service !== answer.service) return undefined;
    if (question.sentMs !== answer.sentMs) return undefined;
    if (answer.kind === 'grant' && answer.expiresMs <= nowMs) {
      this.#pass({ kind: 'check', question });
      return undefined;
    }
    this.#questions.delete(answer.connection);
    return answer;
  }

  get size(): { readonly questions: number; readonly sessions: number } {
    return { questions: this.#questions.size, sessions: this.#sessions.size };
  }

  #pass(news: News): void {
    if (this.#isOpen) this.#options.pass(news);
  }

  #keep(session: SessionNews): void {
    const { connection, kind } = session.event;
    this.#sessions.delete(connection);
    this.#forgetUnreported();
    if (kind === 'report' && this.#sessions.size < maxSessions)
      this.#sessions.set(connection, { session, reportedMs: this.#options.now() });
  }

  #forgetUnreported(): void {
    const sinceMs = this.#options.now() - this.#options.sessionsKeptMs;
    for (const [connection, { reportedMs }] of this.#sessions) {
      if (reportedMs >= sinceMs) break;
      this.#sessions.delete(connection);
    }
  }

  #keepEnd(session: SessionNews): void {
    this.#ends.set(session.event.connection, session);
    if (this.#ends.size > maxEnds) this.#ends.delete(this.#ends.keys().next().value!);
  }
}
