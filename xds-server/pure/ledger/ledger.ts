/**
 * The ledger: who holds a server connection, who waits for one, and who gets the next. It is a state machine that is
 * told everything and finds out nothing: time, reports and session lists are arguments, effects are what it returns,
 * and the same events give the same effects. What ships is what the simulation runs.
 *
 * The life of one connection. From granted to free it holds a slot.
 *
 *   check ──▶ refused, or for fullness: granted for KILL alone
 *     │ └───▶ waiting ──▶ refused: its time is up, its service is gone
 *     │          │  └───▶ forgotten: cancelled, ended
 *     ▼          ▼
 *   granted ◀────┘
 *     │ ├── a check again: the answer was lost ──▶ granted anew, the same slot
 *     │ ├── end: nothing was opened, or the server closed ──▶ free
 *     │ └── never reported ──▶ closing (unconfirmed) ──┐
 *     │ report                                         │ report: a session again, unless it has ended
 *     ▼                                                │
 *   session ◀──────────────────────────────────────────┤
 *     ├── no longer reported, or ──▶ closing (silent) ─┤
 *     │     its node is cut off                        │
 *     ├── no longer listed ──▶ closing (unlisted) ─────┤
 *     ├── end: the node closed ──▶ closing (ended) ────┴── a session list shows that it is over (proof.ts) ──▶ free
 *     └── end: the server closed ──▶ free
 *
 * A check for a connection that has been reported open, or has ended, is refused: its node has acted on a verdict, so
 * nobody waits for another one, and whoever did would get a second server connection on one slot. A check for one
 * that was granted and not reported proves that the grant did not arrive. A connection is the node's that first spoke of
 * it: what another one says of it changes nothing, and a check of another one is refused.
 *
 * Counted are slots (of closing ones that are not to be told from each other as many as may be alive: doubts.ts) and, by
 * the rules in books.ts, sessions that a database shows and no slot explains. After a start
 * a target grants nothing until its nodes have had the time to report all there is and a list has been had after that;
 * clients wait meanwhile. While a database cannot be asked, closing slots stay counted and the rest goes on.
 *
 * A ledger grants for as long as its brain leads (`term`): no grant outlives the term, and past it the ledger takes
 * everything in, gives nothing and refuses only those whose own time is up.
 *
 * It is not decided here who a client is (verdict/), nor how a slot's end is observed (shells).
 */
import { type Refusal, refusals } from '../verdict/refusals.js';
import { isStillRight, mayKill, obstacle } from './admission.js';
import { audit } from './audit.js';
import { Books } from './books.js';
import { whoGivesWay } from './crowds.js';
import { Doors } from './doors.js';
import { Ended } from './ended.js';
import type { ConnectionId, LedgerEffect, LedgerEvent, NodeId } from './events.js';
import { Outcome, overAnyConnection } from './outcome.js';
import { adoptPlan } from './planning.js';
import { Queue } from './queue.js';
import type { Client } from './records.js';
import { isForFullness, refusedAside, refusedAtOnce } from './refusing.js';
import { confirmationMs, type LedgerSettings, recoveryMs, unheardMs } from './settings.js';
import { Slots, wasUsed } from './slots.js';
import { type LedgerView, type SessionView, sessionView, type ViewOptions, viewOf } from './view.js';
import { waitersOf } from './waiters.js';

type Event<Kind extends LedgerEvent['kind']> = Extract<LedgerEvent, { kind: Kind }>;

export class Ledger {
  readonly #settings: LedgerSettings;
  readonly #books = new Books();
  readonly #outcome = new Outcome();
  readonly #doors: Doors;
  readonly #queue: Queue;
  readonly #slots: Slots;
  readonly #ended: Ended;
  readonly #grant = (client: Client): void => this.#slots.grant(client);
  #startedMs: number | undefined;

  constructor(settings: LedgerSettings) {
    this.#settings = settings;
    this.#doors = new Doors(this.#books, this.#outcome, settings);
    this.#queue = new Queue(this.#books, this.#outcome, this.#doors);
    this.#slots = new Slots(this.#books, settings, this.#outcome, this.#doors);
    this.#ended = new Ended(settings.silentAfterMs);
  }

  /**
   * One step. What was due before the event is done first.
   *
   * @param nowMs monotonic; the first step is the start. A time before the last one counts as the last one.
   */
  apply(event: LedgerEvent, nowMs: number): LedgerEffect[] {
    this.#outcome.nowMs = Math.max(this.#outcome.nowMs, nowMs);
    this.#outcome.step++;
    this.#startedMs ??= this.#outcome.nowMs;
    if (event.kind === 'term') this.#books.termEndsMs = event.untilMs;
    this.#lookAtTheClock();
    this.#expire();
    this.#take(event);
    this.#serve();
    return this.#outcome.take();
  }

  /** When the next step is due if nothing happens before: then a `tick`. */
  nextDeadlineMs(): number | undefined {
    return this.#books.timers.first()?.key;
  }

  /** Whose connection it is; undefined when it is not known, or no longer. */
  nodeOf(connection: ConnectionId): NodeId | undefined {
    return (this.#books.slots.get(connection) ?? this.#books.waiters.get(connection))?.node;
  }

  /** Undefined where it holds no slot. */
  session(connection: ConnectionId): SessionView | undefined {
    const slot = this.#books.slots.get(connection);
    return slot && sessionView(slot, this.#outcome.nowMs);
  }

  view(options: ViewOptions = {}): LedgerView {
    return viewOf(this.#books, this.#outcome.nowMs, options);
  }

  /** Counts everything from scratch. @returns every contradiction; none in a ledger that is sound. */
  audit(): string[] {
    return audit(this.#books);
  }

  #take(event: LedgerEvent): void {
    const { kind } = event;
    if (kind === 'check') this.#check(event);
    else if (kind === 'report') this.#report(event);
    else if (kind === 'login') this.#login(event);
    else if (kind === 'end') this.#end(event);
    else if (kind === 'observed') this.#observed(event);
    else if (kind === 'cancel') this.#cancel(event);
    else if (kind === 'cut-off') this.#slots.cutOff(event.node);
    else if (kind === 'unobserved') this.#unobserved(event);
    else if (kind === 'plan') this.#plan(event);
  }

  /** In each step: no grant is given on the strength of an earlier look. */
  #lookAtTheClock(): void {
    const books = this.#books;
    const { nowMs } = this.#outcome;
    const mayGrant = books.termEndsMs - nowMs >= this.#settings.leastTtlMs;
    const unheard = nowMs < this.#startedMs! + unheardMs(this.#settings);
    if ((mayGrant && !books.mayGrant) || (!unheard && books.unheard)) books.freeAll();
    books.mayGrant = mayGrant;
    books.unheard = unheard;
  }

  #plan({ plan }: Event<'plan'>): void {
    const { nowMs } = this.#outcome;
    const recoverFromMs = Math.max(this.#startedMs! + recoveryMs(this.#settings), nowMs);
    const confirmedFromMs = nowMs + confirmationMs(this.#settings);
    const { orphans, unseen, unprovable } = adoptPlan(this.#books, plan, recoverFromMs, confirmedFromMs);
    for (const slot of unprovable) this.#slots.free(slot);
    this.#doors.planned();
    for (const { connection, service, bornMs } of orphans) {
      const refusal = refusals.service_removed({ service: service.name });
      this.#outcome.refuse(connection, service.name, refusal, bornMs);
    }
    for (const target of unseen) {
      this.#outcome.observe(target, overAnyConnection);
      this.#books.schedule(target, target.recoverFromMs > nowMs ? target.recoverFromMs : undefined);
    }
  }

  #check(event: Event<'check'>): void {
    const { connection, node, service: name, source, sentMs = Number.NEGATIVE_INFINITY } = event;
    const waitedMs = Number.isFinite(event.waitedMs) ? Math.max(0, event.waitedMs) : 0;
    const bornMs = this.#outcome.nowMs - waitedMs;
    if (this.#isAnothers(connection, node)) {
      this.#outcome.refuse(connection, name, refusals.connection_reused(), bornMs);
      return;
    }
    const waiter = this.#books.waiters.get(connection);
    // It keeps its place.
    if (waiter?.service.name === name) {
      waiter.sentMs = Math.max(waiter.sentMs, sentMs);
      return;
    }
    if (waiter) this.#queue.leave(waiter);

    const slot = this.#books.slots.get(connection);
    if (slot) this.#books.tellApart(slot);
    // One that was sent before the one that was answered proves nothing.
    const isOver = slot ? wasUsed(slot) || sentMs < slot.sentMs : this.#ended.has(connection);
    if (isOver) {
      this.#outcome.refuse(connection, name, refusals.connection_reused(), bornMs);
      return;
    }
    if (slot?.service.name === name && isStillRight(slot, this.#books)) {
      slot.sentMs = sentMs;
      this.#slots.grantAgain(slot);
      return;
    }
    if (slot) this.#slots.free(slot);
    this.#serve();
    const service = this.#books.services.get(name);
    if (service?.plan) this.#judge({ connection, node, service, bornMs, source, sentMs });
    else this.#outcome.refuse(connection, name, refusals.service_removed({ service: name }), bornMs);
  }

  #judge(client: Client): void {
    const { service, bornMs } = client;
    const { maxQueue, timeoutMs } = service.plan!;
    const held = obstacle(service, this.#books);
    const door = held === undefined ? this.#doors.closed(client) : undefined;
    const places =
      held === 'recovering' || held === 'leaderless'
        ? Math.max(maxQueue, this.#settings.recoveryQueue)
        : maxQueue;
    if (held === undefined && !door) this.#slots.grant(client);
    else if (this.#outcome.nowMs - bornMs >= timeoutMs) this.#turnAway(client, this.#queue.late(client));
    else if (waitersOf(service) < places) this.#queue.enter(client);
    else if (places > 0 && this.#makeRoom(client)) this.#queue.enter(client);
    else if (held === undefined) this.#turnAway(client, refusedAside(door!, this.#doors));
    else this.#turnAway(client, refusedAtOnce(service, held, this.#books));
  }

  /** In a full queue. @returns whether somebody has given way */
  #makeRoom(newcomer: Client): boolean {
    const waiter = whoGivesWay(newcomer);
    if (!waiter) return false;
    this.#queue.leave(waiter);
    this.#turnAway(waiter, this.#queue.crowded(waiter));
    return true;
  }

  /** Who finds no room may still KILL, where the service has a reserve for that; he comes by his door as all do. */
  #turnAway(client: Client, refusal: Refusal): void {
    const { connection, service, bornMs } = client;
    if (isForFullness(refusal) && mayKill(service, this.#books) && !this.#doors.closed(client))
      this.#slots.grantKill(client, refusal);
    else this.#outcome.refuse(connection, service.name, refusal, bornMs);
  }

  #cancel({ connection }: Event<'cancel'>): void {
    const waiter = this.#books.waiters.get(connection);
    if (waiter) this.#queue.leave(waiter);
  }

  #report(event: Event<'report'>): void {
    const { connection, node } = event;
    // It was overtaken by the end.
    if (this.#ended.has(connection) || this.#isAnothers(connection, node)) return;
    const waiter = this.#books.waiters.get(connection);
    if (waiter) {
      this.#queue.leave(waiter);
      this.#outcome.refuse(connection, waiter.service.name, refusals.connection_reused(), waiter.bornMs);
    }
    const slot = this.#books.slots.get(connection) ?? this.#slots.takeIn(event);
    if (slot && slot.cause !== 'ended') this.#slots.report(slot, event.upstream);
  }

  /** Without a report before it nothing follows: an id is one of a certain server. */
  #login({ connection, node, serverId }: Event<'login'>): void {
    const slot = this.#books.slots.get(connection);
    if (slot?.remoteAddress === undefined || slot.cause === 'ended' || slot.node !== node) return;
    this.#slots.loggedIn(slot, serverId);
  }

  #end(event: Event<'end'>): void {
    const { connection, node, evidence } = event;
    if (this.#isAnothers(connection, node)) return;
    const isNews = !this.#ended.has(connection);
    this.#ended.add(connection, this.#outcome.nowMs);
    const waiter = this.#books.waiters.get(connection);
    if (waiter) this.#queue.leave(waiter);
    let slot = this.#books.slots.get(connection);
    // One that was never opened leaves nothing behind; of any other the session list may show something, if it has not shown that it is over.
    const isOver = evidence === 'never-opened' || this.#slots.wasProven(connection);
    if (!slot && isNews && !isOver) slot = this.#slots.takeIn(event);
    if (slot) this.#slots.end(slot, event);
  }

  /** What a node says of another's connection is not heard. */
  #isAnothers(connection: ConnectionId, node: NodeId): boolean {
    return (this.nodeOf(connection) ?? node) !== node;
  }

  #observed(event: Event<'observed'>): void {
    const target = this.#books.targets.get(event.target);
    if (target?.plan) this.#slots.observed(target, event);
  }

  #unobserved({ target: name, problem }: Event<'unobserved'>): void {
    const target = this.#books.targets.get(name);
    if (target) target.problem = problem;
  }

  #serve(): void {
    this.#queue.serve(this.#settings.starvationMs, this.#grant);
  }

  #expire(): void {
    const { timers } = this.#books;
    for (let due = timers.first(); due && due.key <= this.#outcome.nowMs; due = timers.first()) {
      const { item } = due;
      this.#books.schedule(item, undefined);
      if (item.kind === 'target') this.#outcome.observe(item, overAnyConnection);
      else if (item.kind === 'slot') this.#slots.due(item);
      else if (item.kind === 'door') this.#doors.due(item);
      else {
        this.#queue.leave(item);
        this.#turnAway(item, this.#queue.late(item));
      }
    }
  }
}
