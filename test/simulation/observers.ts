import type { Agenda } from './agenda.js';
import type { Brain } from './brain.js';
import type { Database, SessionList } from './database.js';
import type { Random } from './random.js';
import { loginTimeoutMs, type Traits } from './traits.js';

interface Observer {
  pauseMs: number;
  dueMs: number;
  isAsking: boolean;
  isTelling: boolean;
}

const quickMs = 20;
const calmMs = 1_000;

/** Asks each database for its sessions: soon when it is wanted, then ever more seldom; late or in vain while there is trouble. */
export class Observers {
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #traits: Traits;
  readonly #brain: Brain;
  readonly #databases: ReadonlyMap<string, Database>;
  readonly #observers: ReadonlyMap<string, Observer>;
  readonly #troubles = { unobserved: new Map<string, number>(), slow: new Map<string, number>() };

  constructor(
    agenda: Agenda,
    random: Random,
    traits: Traits,
    brain: Brain,
    databases: ReadonlyMap<string, Database>,
  ) {
    this.#agenda = agenda;
    this.#random = random;
    this.#traits = traits;
    this.#brain = brain;
    this.#databases = databases;
    this.#observers = new Map([...databases.keys()].map((target) => [target, idle()]));
  }

  /** With the brain, in each of its lives. */
  start(): void {
    for (const [target, observer] of this.#observers) {
      Object.assign(observer, idle());
      this.#askIn(target, observer, 0);
    }
  }

  soon(target: string): void {
    const observer = this.#observers.get(target);
    // Asked for because the answer that is being told did not settle it: no reason to ask faster.
    if (!observer || observer.isTelling) return;
    observer.pauseMs = quickMs;
    this.#askIn(target, observer, quickMs);
  }

  trouble(kind: 'unobserved' | 'slow', target: string, ms: number): void {
    const troubles = this.#troubles[kind];
    troubles.set(target, (troubles.get(target) ?? 0) + 1);
    this.#agenda.after(ms, () => troubles.set(target, troubles.get(target)! - 1));
  }

  #askIn(target: string, observer: Observer, delayMs: number): void {
    const dueMs = this.#agenda.nowMs + delayMs;
    if (observer.isAsking || dueMs >= observer.dueMs) return;
    observer.dueMs = dueMs;
    this.#brain.after(delayMs, () => {
      if (observer.dueMs !== dueMs || observer.isAsking) return;
      observer.dueMs = Number.POSITIVE_INFINITY;
      observer.isAsking = true;
      observer.pauseMs = Math.min(calmMs, observer.pauseMs * 2);
      this.#ask(target, observer);
    });
  }

  /** The list is of some moment between the question and the answer. */
  #ask(target: string, observer: Observer): void {
    const brain = this.#brain;
    const askedAtMs = brain.clock.monotonicMs;
    const { life } = brain;
    const mostMs = (this.#troubles.slow.get(target) ?? 0) > 0 ? 2_500 : 15;
    this.#agenda.within(this.#random, 0, mostMs, () => {
      const list = this.#databases.get(target)!.list();
      this.#agenda.within(this.#random, 0, mostMs, () => {
        if (life !== brain.life) return;
        brain.do(() => {
          observer.isAsking = false;
          observer.isTelling = true;
          this.#answer(target, askedAtMs, list);
          observer.isTelling = false;
          this.#askIn(target, observer, observer.pauseMs);
        });
      });
    });
  }

  #answer(target: string, askedAtMs: number, { rows, sessions }: SessionList): void {
    const brain = this.#brain;
    if ((this.#troubles.unobserved.get(target) ?? 0) > 0) {
      brain.tell({ kind: 'unobserved', target, problem: 'gone' });
      return;
    }
    const own = [this.#databases.get(target)!.observerId];
    const { listsLogins } = this.#traits;
    brain.tell({ kind: 'observed', target, askedAtMs, sessions: rows, own, listsLogins, loginTimeoutMs });
    for (const session of sessions) session.shownTo = brain.ledgerNumber;
  }
}

function idle(): Observer {
  return { pauseMs: quickMs, dueMs: Number.POSITIVE_INFINITY, isAsking: false, isTelling: false };
}
