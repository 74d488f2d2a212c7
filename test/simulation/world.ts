/**
 * A world for the ledger to live in: clients come and go, nodes carry out its verdicts and report, databases hold the
 * sessions that there really are, an observer asks them, and all of it late, lost, twice and out of order. The world
 * knows the truth and compares; the ledger is told only what a real one would be.
 *
 *   Fleet ── checks, reports, ends ──▶ Brain (the ledger) ◀── session lists ── Observers
 *     │  ◀──────── verdicts ────────────┘      └──── observe ────────────────▶   │
 *     └── opens, closes ──▶ Database ◀── Truth counts, and knows the plans       │
 *                              └────────────────── lists ────────────────────────┘
 *
 * What the world assumes, as the real thing must provide:
 *   - a node acts on a grant within its ttl, gives up connecting after connect_timeout, opens nothing for a client that
 *     has left, and opens it at the database that the service had when it was granted;
 *   - a server gives up a login after loginTimeoutMs;
 *   - after a restart of the brain each node that is alive and connected reports each connection within the interval.
 *     Where the servers list no logins this includes that no node is cut off, and that a server notices at once when a
 *     client leaves in the middle of its login: such a login is known to its node alone.
 */
import type { LedgerEffect } from '../../xds-server/pure/ledger/events.js';
import { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import { type LedgerSettings, recoveryMs } from '../../xds-server/pure/ledger/settings.js';
import { Agenda } from './agenda.js';
import { Brain } from './brain.js';
import { Database } from './database.js';
import { Fleet } from './fleet.js';
import { Observers } from './observers.js';
import { drawPlan, redrawPlan } from './plans.js';
import { Random } from './random.js';
import { drawTraits, loginTimeoutMs, settings, type Traits } from './traits.js';
import { Truth } from './truth.js';
import { Violation } from './violation.js';

export class World {
  readonly traits: Traits;
  readonly fleet: Fleet;
  readonly brain: Brain;
  readonly #random: Random;
  readonly #agenda = new Agenda();
  readonly #databases: ReadonlyMap<string, Database>;
  readonly #observers: Observers;
  readonly #truth: Truth;
  #isClosing = false;
  #people = 0;

  /**
   * @param trace told what the ledger is told and what it answers, for looking at a seed that fails
   * @param start a ledger to live with, at the beginning and after each restart
   */
  constructor(
    seed: number,
    trace?: (line: string) => void,
    start = (given: LedgerSettings): Ledger => new Ledger(given),
  ) {
    const random = new Random(seed);
    const agenda = this.#agenda;
    this.#random = random;
    this.traits = drawTraits(random);
    trace?.(JSON.stringify(this.traits));
    const plan = drawPlan(random, this.traits);
    this.#databases = new Map(
      [...plan.targets.keys()].map((name) => [name, new Database(this.traits, random)]),
    );
    this.#truth = new Truth(agenda, this.traits, this.#databases, plan);
    const carryOut = (effect: LedgerEffect): void => {
      if (effect.kind === 'observe') this.#observers.soon(effect.target);
      else this.fleet.answer(effect);
    };
    this.brain = new Brain(agenda, () => start(settings), carryOut, trace);
    this.#observers = new Observers(agenda, random, this.traits, this.brain, this.#databases);
    this.fleet = new Fleet(agenda, random, this.traits, this.brain, this.#databases, this.#truth, trace);
    this.brain.tell({ kind: 'plan', plan });
    this.#observers.start();
    // Most clients come when it has recovered.
    agenda.after(random.chance(0.7) ? recoveryMs(settings) : 0, () => this.#liven());
  }

  /** Lets so many events reach the ledger, then mends everything, lets everybody go and looks for what stays. */
  run(events: number): void {
    while (this.brain.events < events && this.#agenda.step());
    this.#isClosing = this.fleet.isMended = true;
    this.fleet.cutOff.clear();
    this.#observers.cutOff.clear();
    this.fleet.everybodyLeaves();
    const longestMs = Math.max(settings.silentAfterMs, this.traits.lingerMs) + loginTimeoutMs;
    const endMs = this.#agenda.nowMs + 3 * longestMs + 2_000;
    while (this.#agenda.step(endMs));
    this.brain.audit();
    const { targets, sessions, waiterCount } = this.brain.ledger.view({ sessions: 100 });
    if (sessions.length > 0 || waiterCount > 0)
      throw new Violation(`I4: ${waiterCount} waiters stayed, and ${JSON.stringify(sessions)}`);
    for (const { name, free, budget, planned } of targets.values())
      if (planned && free !== budget) throw new Violation(`I4: ${name} has ${free} of ${budget} free`);
  }

  #liven(): void {
    const { arrivalMs, restarts, partitions, crashes, outages, resizes, people, nodes } = this.traits;
    const random = this.#random;
    this.#nowAndThen(arrivalMs, () => this.fleet.arrive());
    if (restarts) this.#nowAndThen(700, () => this.#restart());
    if (crashes) this.#nowAndThen(400, () => this.fleet.crash(random.between(1, nodes)));
    if (resizes) this.#nowAndThen(200, () => this.#resize());
    if (partitions)
      this.#nowAndThen(500, () => this.#cutOff(this.fleet.cutOff, random.between(1, nodes), 1_500));
    if (outages)
      this.#nowAndThen(400, () =>
        this.#cutOff(this.#observers.cutOff, random.pick([...this.#databases.keys()]), 800),
      );
    if (people !== 'none') this.#nowAndThen(people === 'flood' ? 20 : 150, () => this.#person());
  }

  #nowAndThen(meanMs: number, thing: () => void): void {
    this.#agenda.after(this.#random.between(1, 2 * meanMs), () => {
      if (this.#isClosing) return;
      thing();
      this.#nowAndThen(meanMs, thing);
    });
  }

  #restart(): void {
    if (!this.brain.isUp) return;
    this.brain.die();
    this.fleet.onBrainLost();
    this.#agenda.after(this.#random.between(0, 200), () => {
      this.brain.rise();
      this.brain.tell({ kind: 'plan', plan: this.#truth.plan });
      this.#observers.start();
    });
  }

  #resize(): void {
    const plan = redrawPlan(this.#truth.plan, this.#random, this.traits);
    this.#truth.plan = plan;
    this.brain.tell({ kind: 'plan', plan });
  }

  #cutOff<Item>(set: Set<Item>, item: Item, mostMs: number): void {
    set.add(item);
    this.#agenda.after(this.#random.between(0, mostMs), () => set.delete(item));
  }

  #person(): void {
    const [target, { sessions }] = this.#random.pick([...this.#databases]);
    if (sessions.size > 35) return;
    const database = this.#databases.get(target)!;
    const peer = `10.7.7.7:${++this.#people}`;
    const nobody = { service: undefined, tenant: undefined, user: 'person', onlyKill: false };
    const session = database.open({ target, ...nobody, peer, openedMs: this.#agenda.nowMs });
    session.listed = true;
    this.#agenda.after(this.#random.between(0, 1_000), () => sessions.delete(session));
  }
}
