/**
 * The leader's half of admission: who has asked for whom, whether his node could carry out a grant, and how long one
 * lasts. Whether there is a slot is the ledger's business; who the client is was decided where he asked.
 *
 *   question ──▶ database down? ──▶ node ready? ──▶ ledger ──▶ the asker, on his own clock
 *                  │ yes               │ not yet: waits
 *                  ╰── refused ◀───────╯
 *
 * A connection has one asker, the latest: a node asks another brain when its own is lost. Who waits in the ledger may be
 * granted another cluster than the one that his node was ready for: his service has moved. He is answered when his node has that.
 */
import type { ConnectionId, LedgerEffect, LedgerEvent, NodeId } from '../../pure/ledger/events.js';
import type { Answer, Question } from '../../pure/peers/messages.js';
import type { Plan, TargetName } from '../../pure/plan/plan.js';
import { type Refusal, refusals } from '../../pure/verdict/refusals.js';

/** Who asks for clients: this brain or another. */
export interface Asker {
  answer(answer: Answer): void;
  /** His clock at a time of ours; never later than it is. */
  clockAt(ms: number): number;
}

/** Whether a node could carry out a grant for a service. */
export interface Readiness {
  isReady(node: NodeId, service: string): boolean;
  /** @param told once: as soon as it is, or when it is certain or likely enough that it will not be */
  whenReady(node: NodeId, service: string, patienceMs: number, told: (isReady: boolean) => void): void;
}

export interface AdmissionOptions {
  /** Monotonic, in milliseconds; the ledger's own. */
  readonly now: () => number;
  readonly plan: () => Plan;
  readonly apply: (event: LedgerEvent) => void;
  /** Whose connection it is, as far as is known. */
  readonly nodeOf: (connection: ConnectionId) => NodeId | undefined;
  /** Whether it is certain that nobody listens on a target's servers. */
  readonly isDown: (target: TargetName) => boolean;
  readonly readiness: Readiness;
  /** A node has asked for a connection that is another node's. */
  readonly forged: (node: NodeId) => void;
  /** Leave was given. */
  readonly granted: (question: Question) => void;
  /** Until when this brain may give leave. */
  readonly untilMs: () => number;
}

interface Asked {
  readonly question: Question;
  readonly asker: Asker;
  /** The cluster that the node had when the ledger was asked. */
  readyFor: string | undefined;
}

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #asked = new Map<ConnectionId, Asked>();

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  ask(question: Question, asker: Asker): void {
    const { connection, node, service } = question;
    const { nodeOf, forged } = this.#options;
    const earlier = this.#asked.get(connection)?.question;
    const owner = earlier?.node ?? nodeOf(connection) ?? node;
    const asked: Asked = { question, asker, readyFor: undefined };
    if (owner !== node) {
      forged(node);
      this.#refuse(asked, refusals.connection_reused());
      return;
    }
    // It lay in a socket while its node has asked again: nobody waits for its answer.
    if (earlier && question.sentMs < earlier.sentMs) {
      this.#refuse(asked, refusals.connection_reused());
      return;
    }
    this.#asked.set(connection, asked);
    const { plan, isDown, readiness } = this.#options;
    const target = plan().services.get(service)?.target;
    if (target !== undefined && isDown(target)) {
      this.#turnAway(asked, refusals.database_down({ database: plan().targets.get(target)!.database }));
    } else if (readiness.isReady(node, service)) this.#apply(asked);
    else this.#awaitNode(asked);
  }

  /** Nothing for an asker whose place another one has taken. */
  withdraw(connection: ConnectionId, asker: Asker): void {
    if (this.#asked.get(connection)?.asker !== asker) return;
    this.#asked.delete(connection);
    this.#options.apply({ kind: 'cancel', connection });
  }

  /** He has gone: his clients' nodes ask somebody else, or he asks anew. */
  leave(asker: Asker): void {
    for (const [connection, asked] of [...this.#asked])
      if (asked.asker === asker) this.withdraw(connection, asker);
  }

  /** Answers whom the ledger has decided on. */
  carryOut(effect: LedgerEffect): void {
    if (effect.kind === 'observe') return;
    const asked = this.#asked.get(effect.connection);
    // He left before the ledger decided; his cancel is on its way to the ledger.
    if (!asked) return;
    const { connection, service, waitedMs } = effect;
    if (effect.kind === 'grant' && effect.cluster !== asked.readyFor) {
      this.#awaitNode(asked);
      return;
    }
    this.#asked.delete(connection);
    const { sentMs } = asked.question;
    if (effect.kind === 'refuse') {
      const { refusal } = effect;
      asked.asker.answer({ kind: 'refuse', connection, service, sentMs, refusal, waitedMs });
      return;
    }
    const { now, untilMs, granted } = this.#options;
    granted(asked.question);
    // This process may have been stopped since the ledger looked at the clock. Who gets a grant that is over asks again.
    const expiresMs = asked.asker.clockAt(Math.min(now() + effect.ttlMs, untilMs()));
    const { cluster, onlyKill } = effect;
    const only = onlyKill && { onlyKill };
    const grant = { connection, service, sentMs, cluster, expiresMs, waitedMs, ...only };
    asked.asker.answer({ kind: 'grant', ...grant });
  }

  /** His node is ready. Who has a slot already is granted it anew, for its full time. */
  #apply(asked: Asked): void {
    const { connection, node, service, source, bornMs, sentMs } = asked.question;
    const { now, plan, apply } = this.#options;
    asked.readyFor = plan().services.get(service)?.cluster;
    apply({ kind: 'check', connection, node, service, waitedMs: now() - bornMs, source, sentMs });
  }

  #awaitNode(asked: Asked): void {
    const { connection, node, service, bornMs } = asked.question;
    const { plan, readiness, now } = this.#options;
    const timeoutMs = plan().services.get(service)?.timeoutMs ?? Number.POSITIVE_INFINITY;
    const patienceMs = Math.max(0, timeoutMs - (now() - bornMs));
    readiness.whenReady(node, service, patienceMs, (isReady) => {
      if (this.#asked.get(connection) !== asked) return;
      const why = 'it does not have the service yet';
      if (!isReady) this.#turnAway(asked, refusals.not_ready({ what: 'the node', why }));
      // By another plan it may need more by now.
      else if (readiness.isReady(node, service)) this.#apply(asked);
      else this.#awaitNode(asked);
    });
  }

  /** Refused without asking the ledger, which may still have the client in a queue from an earlier question. */
  #turnAway(asked: Asked, refusal: Refusal): void {
    const { connection } = asked.question;
    this.#asked.delete(connection);
    this.#refuse(asked, refusal);
    this.#options.apply({ kind: 'cancel', connection });
  }

  #refuse({ question, asker }: Asked, refusal: Refusal): void {
    const { connection, service, bornMs, sentMs } = question;
    const waitedMs = this.#options.now() - bornMs;
    asker.answer({ kind: 'refuse', connection, service, sentMs, refusal, waitedMs });
  }
}
