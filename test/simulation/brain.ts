import { NodeClock, type Stamps } from '../../xds-server/pure/clock/node-clock.js';
import type { LedgerEvent } from '../../xds-server/pure/ledger/events.js';
import { Desk } from '../../xds-server/pure/peers/desk.js';
import type { Answer, News } from '../../xds-server/pure/peers/messages.js';
import type { Plan } from '../../xds-server/pure/plan/plan.js';
import type { Asker } from '../../xds-server/shells/control/admission.js';
import type { Agenda } from './agenda.js';
import { Process } from './machine.js';
import type { Random } from './random.js';
import { nodePatienceMs, type Seat } from './seat.js';
import { settings } from './traits.js';
import { Violation } from './violation.js';

/** What a node is told. `expiresMs`: on its own monotonic clock. */
export type Verdict = Grant | { readonly kind: 'refuse' };

export interface Grant {
  readonly kind: 'grant';
  readonly expiresMs: number;
  readonly service: string;
  readonly cluster: string;
  readonly onlyKill: boolean;
}

/** A check on its way: which try of which connection, by which HTTP/2 connection of which node. */
export interface Check {
  readonly connection: string;
  readonly node: string;
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
  readonly arrivedMs: number;
}

/** To whom a brain passes what it is asked and told while it does not lead. */
export interface Leader {
  pass(news: News): void;
}

/** How far past its deadline an answer may be: clocks that tick in whole milliseconds. */
const toleranceMs = 2;
/** The front answers himself whom no leader has answered this long past his time. */
const graceMs = 250;

/** What every brain has: the calls of its nodes, their clocks, and what a leader has to be told anew. */
export class Brain extends Process implements Asker {
  readonly number: number;
  readonly #isAlone: boolean;
  readonly #held = new Map<string, Held>();
  /** By node: the clock as known by its present connection. */
  readonly #clocks = new Map<string, { readonly channel: number; readonly clock: NodeClock }>();
  #desk: Desk;
  #leader: Leader | undefined;
  /** While it leads. */
  seat: Seat | undefined;
  /** The one in force, and since when. */
  #plan: Plan | undefined;
  #plannedMs = Number.NEGATIVE_INFINITY;

  constructor(number: number, agenda: Agenda, random: Random, isAlone: boolean) {
    super(agenda, random);
    this.number = number;
    this.#isAlone = isAlone;
    this.#desk = this.#newDesk();
  }

  get plan(): Plan | undefined {
    return this.#plan;
  }

  set plan(plan: Plan | undefined) {
    if (this.#plan) this.#plannedMs = this.clock.monotonicMs;
    this.#plan = plan;
  }

  check(check: Check): void {
    const arrivedMs = this.clock.monotonicMs;
    const { connection, node, service, source } = check;
    const clock = this.#clockOf(check);
    const waitedMs = clock.observe(check.stamps, arrivedMs);
    // Who is asked for again keeps his place, and the birth that he was given with it.
    const earlierMs = this.#held.get(connection)?.bornMs ?? Number.NEGATIVE_INFINITY;
    const bornMs = arrivedMs - waitedMs;
    const sentMs = check.stamps.monotonicMs + check.stamps.retriedAfterMs;
    const held = { check, clock, arrivedMs, bornMs: Math.max(earlierMs, bornMs) };
    this.#held.set(connection, held);
    this.#expectAnswer(held);
    this.#desk.ask({ connection, node, service, source, bornMs, sentMs, frontId: undefined });
  }

  /** The node has given the call up. */
  cancel(check: Check): void {
    const { connection } = check;
    if (this.#held.get(connection)?.check !== check) return;
    this.#held.delete(connection);
    this.#desk.withdraw(connection);
  }

  /** Every call of a connection that is given up, its reports too. */
  hangUp(node: string): void {
    this.#desk.cutOff(node);
    for (const { check } of [...this.#held.values()]) if (check.node === node) this.cancel(check);
  }

  /** News of a session. */
  tell(event: Extract<LedgerEvent, { kind: 'report' | 'login' | 'end' }>): void {
    if (event.kind === 'login')
      this.#desk.loggedIn({ ...event, frontId: undefined, cancelDigest: undefined });
    else this.#desk.tell({ event, known: undefined, work: undefined, ended: undefined });
  }

  /** There is a leader from now on: it is told all that it has to know. */
  open(leader: Leader): void {
    this.#leader = leader;
    this.#desk.open();
    for (const news of [...this.#desk.retold()]) leader.pass(news);
  }

  close(): void {
    this.#leader = undefined;
    this.#desk.close();
  }

  answer(answer: Answer): void {
    const nowMs = this.clock.monotonicMs;
    const given = this.#desk.answered(answer, nowMs);
    const held = given && this.#held.get(given.connection);
    if (!held) return;
    this.#held.delete(given.connection);
    if (given.kind === 'refuse') {
      held.check.reply({ kind: 'refuse' });
      return;
    }
    const { service, cluster, expiresMs } = given;
    const onNode = Math.floor(held.clock.nodeMs(nowMs) + expiresMs - nowMs);
    const onlyKill = given.onlyKill !== undefined;
    held.check.reply({ kind: 'grant', expiresMs: onNode, service, cluster, onlyKill });
  }

  clockAt(ms: number): number {
    return ms;
  }

  override die(): void {
    super.die();
    if (this.seat) this.seat.isOver = true;
    this.seat = undefined;
    this.#held.clear();
    this.#clocks.clear();
    this.close();
    this.#desk = this.#newDesk();
  }

  #newDesk(): Desk {
    return new Desk({
      pass: (news) => this.#leader!.pass(news),
      now: () => this.clock.monotonicMs,
      sessionsKeptMs: this.#isAlone ? 0 : settings.silentAfterMs - settings.reportIntervalMs,
    });
  }

  /** I3: by the deadline of the plan that is in force then. */
  #expectAnswer(held: Held): void {
    const leftMs = Math.max(0, held.bornMs + this.#timeoutMs(held) - this.clock.monotonicMs);
    this.after(leftMs + toleranceMs, () => {
      if (this.#held.get(held.check.connection) !== held) return;
      // A later plan gives it longer.
      if (!this.#isOverdue(held)) this.#expectAnswer(held);
      // It may have been stopped until now: what was due meanwhile comes after this.
      else if (this.#isAlone) this.after(toleranceMs, () => this.#expectedAnswer(held));
      else this.after(graceMs, () => this.#answerMyself(held));
    });
  }

  /** Nobody leads, or he who does is slow. */
  #answerMyself(held: Held): void {
    if (this.#held.get(held.check.connection) !== held) return;
    this.cancel(held.check);
    held.check.reply({ kind: 'refuse' });
  }

  #expectedAnswer(held: Held, isLastLook = false): void {
    // One that has gone waits for nothing, whether or not that is known here.
    if (this.#held.get(held.check.connection) !== held || held.check.isGivenUp) return;
    if (!this.#isOverdue(held)) {
      this.#expectAnswer(held);
      return;
    }
    const { monotonicMs: nowMs } = this.clock;
    const timeoutMs = this.#timeoutMs(held);
    // His node, or the plan that has his service, may be waited for since the plan has changed, or since he came.
    const sinceMs = timeoutMs === 0 ? Math.max(this.#plannedMs, held.arrivedMs) : this.#plannedMs;
    const leftMs = sinceMs + nodePatienceMs + toleranceMs - nowMs;
    if (leftMs > 0 || !isLastLook)
      this.after(Math.max(0, leftMs) + toleranceMs, () => this.#expectedAnswer(held, leftMs <= 0));
    else
      throw new Violation(
        `I3: ${held.check.connection} has waited ${nowMs - held.bornMs} ms, ${timeoutMs} expected at most`,
      );
  }

  #isOverdue(held: Held): boolean {
    return this.clock.monotonicMs - held.bornMs > this.#timeoutMs(held) + toleranceMs;
  }

  #timeoutMs({ check }: Held): number {
    return this.plan?.services.get(check.service)?.timeoutMs ?? 0;
  }

  #clockOf({ node, channel }: Check): NodeClock {
    const known = this.#clocks.get(node);
    if (known?.channel === channel) return known.clock;
    const clock = new NodeClock();
    this.#clocks.set(node, { channel, clock });
    return clock;
  }
}

/** As the leader decides on what it is asked and told, of its own nodes and of others'. */
export function decide(seat: Seat, news: News, asker: Asker): void {
  if (news.kind === 'check') seat.admission.ask(news.question, asker);
  else if (news.kind === 'cancel') seat.admission.withdraw(news.connection, asker);
  else if (news.kind === 'session') seat.tell(news.session.event);
  else if (news.kind === 'login') {
    const { connection, node, serverId } = news.login;
    seat.tell({ kind: 'login', connection, node, serverId });
  } else if (news.kind === 'cut-off') seat.tell(news);
}
