/**
 * Questions to the leader that are no checks: kept until they are answered, at most for a while. A new leader is asked anew,
 * but for a cancel that another one was asked for: carried out twice it would stop the client's next statement.
 */
import type { CancelRequest } from '../cancel/cancel-request.js';
import type { ConnectionId, NodeId } from '../ledger/events.js';
import type { Offer } from '../surplus/surplus.js';
import type { News, Order, RequestId } from './messages.js';

export interface RequestsOptions {
  readonly pass: (question: Question) => void;
  /**
   * Calls `over` after the longest that a question of this kind is worth waiting for.
   *
   * @returns what calls it off
   */
  readonly patience: (kind: Question['kind'], over: () => void) => () => void;
}

export type Question = Extract<News, { kind: 'find' | 'interrupt' | 'idle' }>;
export type Reply = Extract<Order, { kind: 'found' | 'interrupted' | 'surplus' }>;

/** At once; what is beyond is answered with nothing. */
const most = 1_000;

interface Open {
  readonly question: Question;
  /** To some leader. */
  isPassed: boolean;
  settle(reply?: Reply): void;
}

export class Requests {
  readonly #options: RequestsOptions;
  readonly #open = new Map<RequestId, Open>();
  #last = 0;
  #hasLeader = false;

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /** There is a leader: it is asked what is not answered yet. */
  open(): void {
    this.#hasLeader = true;
    for (const open of this.#open.values()) this.#pass(open);
  }

  close(): void {
    this.#hasLeader = false;
    for (const { question, settle } of this.#open.values()) if (question.kind === 'idle') settle();
  }

  /** @returns the server's id; undefined where there is none, or nobody to say. */
  async find(of: Omit<Extract<News, { kind: 'find' }>, 'kind' | 'request'>): Promise<number | undefined> {
    const reply = await this.#ask((request) => ({ kind: 'find', request, ...of }));
    return reply?.kind === 'found' ? reply.serverId : undefined;
  }

  async interrupt(asked: CancelRequest): Promise<void> {
    await this.#ask((request) => ({ kind: 'interrupt', request, asked }));
  }

  /**
   * Not kept for a leader that is yet to be found: the node asks again.
   *
   * @returns those of these sessions that shall end
   */
  async surplus(node: NodeId, sessions: readonly Offer[]): Promise<readonly ConnectionId[]> {
    if (!this.#hasLeader) return [];
    const reply = await this.#ask((request) => ({ kind: 'idle', request, node, sessions }));
    return reply?.kind === 'surplus' ? reply.connections : [];
  }

  answered(reply: Reply): void {
    this.#open.get(reply.request)?.settle(reply);
  }

  #ask(questionOf: (request: RequestId) => Question): Promise<Reply | undefined> {
    if (this.#open.size >= most) return Promise.resolve(undefined);
    this.#last = (this.#last % 0xffff_fffe) + 1;
    const request = this.#last;
    const question = questionOf(request);
    return new Promise((resolve) => {
      const settle = (reply?: Reply): void => {
        if (!this.#open.delete(request)) return;
        callOff();
        resolve(reply);
      };
      const callOff = this.#options.patience(question.kind, settle);
      const open = { question, isPassed: false, settle };
      this.#open.set(request, open);
      if (this.#hasLeader) this.#pass(open);
    });
  }

  /** Who has asked for a cancel waits on: the leader that was asked may still carry it out. */
  #pass(open: Open): void {
    if (open.question.kind === 'interrupt' && open.isPassed) return;
    open.isPassed = true;
    this.#options.pass(open.question);
  }
}
