import { NodeClock, type Stamps } from '../../xds-server/pure/clock/node-clock.js';
import type { LedgerEffect, LedgerEvent } from '../../xds-server/pure/ledger/events.js';
import type { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import type { Plan } from '../../xds-server/pure/plan/plan.js';
import type { Agenda } from './agenda.js';
import { Process } from './machine.js';
import type { Random } from './random.js';
import { Violation } from './violation.js';

/** What a node is told. `expiresMs`: on its own monotonic clock. */
export type Verdict = Grant | { readonly kind: 'refuse' };

export interface Grant {
  readonly kind: 'grant';
  readonly expiresMs: number;
  readonly service: string;
  readonly onlyKill: boolean;
}

/** A check on its way: which try of which connection, by which HTTP/2 connection of which node. */
export interface Check {
  readonly connection: string;
  readonly node: number;
  readonly channel: number;
  readonly service: string;
  readonly source: string | undefined;
  readonly stamps: Stamps;
  readonly reply: (verdict: Verdict) => void;
  /** The stream was reset: what of it is still under way is not heard. */
  isGivenUp: boolean;
}

interface Held {
  readonly check: Check;
  readonly clock: NodeClock;
  readonly bornMs: number;
}

/** What the brain needs of the world around it. */
export interface Surroundings {
  readonly trace: ((line: string) => void) | undefined;
  readonly observe: (target: string) => void;
  /** The ledger whose number this is has been told of the connection, or has granted it. */
  readonly known: (connection: string, ledger: number, how: 'granted' | 'told') => void;
  readonly looked: (effects: readonly LedgerEffect[], ledger: Ledger, nowMs: number) => void;
}

/** How far past its deadline an answer may be: clocks that tick in whole milliseconds. */
const toleranceMs = 2;

/** Drives the ledger as the shell does, and loses it when it dies. */
export class Brain extends Process {
  readonly #true: Agenda;
  readonly #start: () => Ledger;
  readonly #surroundings: Surroundings;
  readonly #held = new Map<string, Held>();
  /** By node: the clock as known by its present connection. */
  readonly #clocks = new Map<number, { readonly channel: number; readonly clock: NodeClock }>();
  #ledger: Ledger;
  #dueMs = Number.POSITIVE_INFINITY;
  #sinceAudit = 0;
  /** Each ledger has a number of its own. */
  ledgerNumber = 1;
  /** In true time. */
  startedMs = 0;
  /** The last one that it was told of. */
  plan: Plan | undefined;
  events = 0;
  granted = 0;
  refused = 0;

  constructor(agenda: Agenda, random: Random, start: () => Ledger, surroundings: Surroundings) {
    super(agenda, random);
    this.#true = agenda;
    this.#start = start;
    this.#surroundings = surroundings;
    this.#ledger = start();
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  holds(connection: string): boolean {
    return this.#held.has(connection);
  }

  check(check: Check): void {
    const arrivedMs = this.clock.monotonicMs;
    const { connection, node, service, source } = check;
    const clock = this.#clockOf(check);
    const waitedMs = clock.observe(check.stamps, arrivedMs);
    // Who is asked for again keeps his place, and the birth that he was given with it.
    const earlierMs = this.#held.get(connection)?.bornMs ?? Number.NEGATIVE_INFINITY;
    const held = { check, clock, bornMs: Math.max(earlierMs, arrivedMs - waitedMs) };
    this.#held.set(connection, held);
    this.#expectAnswer(held);
    this.tell({ kind: 'check', connection, node: nodeName(node), service, waitedMs, source });
  }

  /** The node has given the call up. */
  cancel(check: Check): void {
    const { connection } = check;
    if (this.#held.get(connection)?.check !== check) return;
    this.#held.delete(connection);
    this.tell({ kind: 'cancel', connection });
  }

  /** Every call of a connection that is given up. */
  hangUp(node: number): void {
    for (const { check } of [...this.#held.values()]) if (check.node === node) this.cancel(check);
  }

  tell(event: LedgerEvent): void {
    this.events++;
    if (event.kind === 'plan') this.plan = event.plan;
    const nowMs = this.clock.monotonicMs;
    const { trace, known } = this.#surroundings;
    const effects = this.#ledger.apply(event, nowMs);
    trace?.(`${this.#true.nowMs} ${JSON.stringify(event, inJson)} => ${JSON.stringify(effects)}`);
    if ((event.kind === 'report' || event.kind === 'end') && event.connection.startsWith(event.node))
      known(event.connection, this.ledgerNumber, 'told');
    for (const effect of effects) this.#carryOut(effect);
    if (effects.length > 0) this.#surroundings.looked(effects, this.#ledger, nowMs);
    if (++this.#sinceAudit >= 50) this.audit();
    this.#arm();
  }

  audit(): void {
    this.#sinceAudit = 0;
    const contradictions = this.#ledger.audit();
    if (contradictions.length > 0) throw new Violation(`audit: ${contradictions.join('; ')}`);
  }

  override die(): void {
    super.die();
    this.#held.clear();
    this.#clocks.clear();
    this.#dueMs = Number.POSITIVE_INFINITY;
  }

  override rise(): void {
    super.rise();
    this.ledgerNumber++;
    this.startedMs = this.#true.nowMs;
    this.#ledger = this.#start();
  }

  #carryOut(effect: LedgerEffect): void {
    if (effect.kind === 'observe') {
      this.#surroundings.observe(effect.target);
      return;
    }
    const { connection, service } = effect;
    const held = this.#held.get(connection);
    this.#held.delete(connection);
    if (effect.kind === 'refuse') {
      this.refused++;
      held?.check.reply({ kind: 'refuse' });
      return;
    }
    this.granted++;
    this.#surroundings.known(connection, this.ledgerNumber, 'granted');
    if (!held) return;
    const expiresMs = Math.floor(held.clock.nodeMs(this.clock.monotonicMs) + effect.ttlMs);
    held.check.reply({ kind: 'grant', expiresMs, service, onlyKill: effect.onlyKill !== undefined });
  }

  /** I3: by the deadline of the plan that is in force then. */
  #expectAnswer(held: Held): void {
    const timeoutMs = this.plan?.services.get(held.check.service)?.timeoutMs ?? 0;
    const leftMs = Math.max(0, held.bornMs + timeoutMs - this.clock.monotonicMs);
    this.after(leftMs + toleranceMs, () => {
      if (this.#held.get(held.check.connection) !== held) return;
      // It may have been stopped until now: what was due meanwhile comes after this.
      this.after(toleranceMs, () => this.#expectedAnswer(held));
    });
  }

  #expectedAnswer(held: Held): void {
    // One that has gone waits for nothing, whether or not that is known here.
    if (this.#held.get(held.check.connection) !== held || held.check.isGivenUp) return;
    const timeoutMs = this.plan?.services.get(held.check.service)?.timeoutMs ?? 0;
    const waitedMs = this.clock.monotonicMs - held.bornMs;
    if (waitedMs <= timeoutMs + toleranceMs) this.#expectAnswer(held);
    else
      throw new Violation(
        `I3: ${held.check.connection} has waited ${waitedMs} ms, ${timeoutMs} expected at most`,
      );
  }

  #clockOf({ node, channel }: Check): NodeClock {
    const known = this.#clocks.get(node);
    if (known?.channel === channel) return known.clock;
    const clock = new NodeClock();
    this.#clocks.set(node, { channel, clock });
    return clock;
  }

  #arm(): void {
    const dueMs = this.#ledger.nextDeadlineMs() ?? Number.POSITIVE_INFINITY;
    if (dueMs === Number.POSITIVE_INFINITY || dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    this.after(dueMs - this.clock.monotonicMs, () => {
      if (this.#dueMs !== dueMs) return;
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.tell({ kind: 'tick' });
    });
  }
}

export function nodeName(node: number): string {
  return `n${node}`;
}

/** Maps too. */
function inJson(_: string, value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries(value) : value;
}
