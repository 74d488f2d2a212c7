import type { LedgerEffect, LedgerEvent, NodeId } from '../../xds-server/pure/ledger/events.js';
import type { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import type { Plan } from '../../xds-server/pure/plan/plan.js';
import { Admission } from '../../xds-server/shells/control/admission.js';
import type { Process } from './machine.js';
import { Violation } from './violation.js';

/** As long as a node is waited for that is connected, and how often it is looked at meanwhile. */
export const nodePatienceMs = 2_000;
const nodeLookMs = 40;

/** What whoever leads needs of the world around it. */
export interface Surroundings {
  readonly trace: ((line: string) => void) | undefined;
  readonly trueMs: () => number;
  readonly observe: (seat: Seat, target: string, dialledAfterMs: number | undefined) => void;
  /** The ledger whose number this is has been told of the connection, or has granted it. */
  readonly known: (connection: string, ledger: number, how: 'granted' | 'told') => void;
  readonly looked: (event: LedgerEvent, effects: readonly LedgerEffect[], seat: Seat, nowMs: number) => void;
  readonly planned: (seat: Seat, plan: Plan) => void;
  /** Whether the node has this cluster of the service's, as far as is known. */
  readonly hasCluster: (node: NodeId, service: string, cluster: string | undefined) => boolean;
  readonly counted: (what: 'event' | 'grant' | 'refusal') => void;
}

/** What a brain has for as long as it leads: the ledger, driven as the shell does, and those who ask. */
export class Seat {
  readonly process: Process;
  readonly ledger: Ledger;
  /** Each ledger has a number of its own, later ones the larger. */
  readonly number: number;
  readonly admission: Admission;
  readonly #surroundings: Surroundings;
  #dueMs = Number.POSITIVE_INFINITY;
  #sinceAudit = 0;
  #untilMs = Number.POSITIVE_INFINITY;
  isOver = false;
  /** The last one that it was told of. */
  plan: Plan | undefined;

  readonly term: number;

  constructor(process: Process, ledger: Ledger, number: number, term: number, surroundings: Surroundings) {
    this.term = term;
    this.process = process;
    this.ledger = ledger;
    this.number = number;
    this.#surroundings = surroundings;
    this.admission = new Admission({
      now: () => process.clock.monotonicMs,
      plan: () => this.plan!,
      apply: (event) => this.tell(event),
      nodeOf: (connection) => ledger.nodeOf(connection),
      isDown: () => false,
      readiness: {
        isReady: (node, service) => this.#isReady(node, service),
        whenReady: (node, service, patienceMs, told) =>
          this.#awaitNode(node, service, this.#nowMs + Math.min(patienceMs, nodePatienceMs), told),
      },
      forged: () => undefined,
      granted: () => undefined,
      untilMs: () => this.#untilMs,
    });
  }

  /** How long this brain may grant. */
  lead(untilMs: number): void {
    this.#untilMs = untilMs;
    this.tell({ kind: 'term', untilMs });
  }

  tell(event: LedgerEvent): void {
    if (this.isOver) return;
    const { trace, trueMs, known, looked, planned, counted } = this.#surroundings;
    counted('event');
    if (event.kind === 'plan') {
      this.plan = event.plan;
      planned(this, event.plan);
    }
    const nowMs = this.process.clock.monotonicMs;
    const effects = this.ledger.apply(event, nowMs);
    trace?.(`${trueMs()} [${this.number}] ${JSON.stringify(event, inJson)} => ${JSON.stringify(effects)}`);
    if ((event.kind === 'report' || event.kind === 'end') && event.connection.startsWith(event.node))
      known(event.connection, this.number, 'told');
    for (const effect of effects) this.#carryOut(effect);
    looked(event, effects, this, nowMs);
    if (++this.#sinceAudit >= 50) this.audit();
    this.#arm();
  }

  #isReady(node: NodeId, service: string): boolean {
    return this.#surroundings.hasCluster(node, service, this.plan!.services.get(service)?.cluster);
  }

  get #nowMs(): number {
    return this.process.clock.monotonicMs;
  }

  #awaitNode(node: NodeId, service: string, untilMs: number, told: (isReady: boolean) => void): void {
    this.after(Math.min(nodeLookMs, untilMs - this.#nowMs), () => {
      if (this.#isReady(node, service)) told(true);
      else if (this.#nowMs >= untilMs - 1) told(false);
      else this.#awaitNode(node, service, untilMs, told);
    });
  }

  audit(): void {
    this.#sinceAudit = 0;
    const contradictions = this.ledger.audit();
    if (contradictions.length > 0) throw new Violation(`audit: ${contradictions.join('; ')}`);
  }

  /** A timer for as long as it leads. */
  after(ms: number, thing: () => void): void {
    this.process.after(ms, () => {
      if (!this.isOver) thing();
    });
  }

  #carryOut(effect: LedgerEffect): void {
    const { observe, known, counted } = this.#surroundings;
    if (effect.kind === 'observe') {
      observe(this, effect.target, effect.dialledAfterMs);
      return;
    }
    counted(effect.kind === 'grant' ? 'grant' : 'refusal');
    if (effect.kind === 'grant') known(effect.connection, this.number, 'granted');
    this.admission.carryOut(effect);
  }

  #arm(): void {
    const dueMs = this.ledger.nextDeadlineMs() ?? Number.POSITIVE_INFINITY;
    if (dueMs === Number.POSITIVE_INFINITY || dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    this.after(dueMs - this.process.clock.monotonicMs, () => {
      if (this.#dueMs !== dueMs) return;
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.tell({ kind: 'tick' });
    });
  }
}

/** Maps too. */
function inJson(_: string, value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries(value) : value;
}
