import type { Agenda } from './agenda.js';
import type { Brain } from './brain.js';
import type { Database } from './database.js';
import type { Random } from './random.js';
import { loginTimeoutMs, type Traits } from './traits.js';

interface Observer {
  pauseMs: number;
  dueMs: number;
  isAsking: boolean;
}

const quickMs = 10;
const calmMs = 200;

/** Asks each database for its sessions: soon when it is wanted, then ever more seldom; in vain while it is cut off. */
export class Observers {
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #traits: Traits;
  readonly #brain: Brain;
  readonly #databases: ReadonlyMap<string, Database>;
  readonly #observers: ReadonlyMap<string, Observer>;
  readonly cutOff = new Set<string>();

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
    if (!observer) return;
    observer.pauseMs = quickMs;
    this.#askIn(target, observer, quickMs);
  }

  #askIn(target: string, observer: Observer, delayMs: number): void {
    const dueMs = this.#agenda.nowMs + delayMs;
    if (observer.isAsking || dueMs >= observer.dueMs) return;
    observer.dueMs = dueMs;
    const { life } = this.#brain;
    this.#agenda.after(delayMs, () => {
      if (life !== this.#brain.life || observer.dueMs !== dueMs || observer.isAsking) return;
      observer.dueMs = Number.POSITIVE_INFINITY;
      observer.isAsking = true;
      observer.pauseMs = Math.min(calmMs, observer.pauseMs * 2);
      this.#ask(target, observer);
    });
  }

  /** The list is of some moment between the question and the answer. */
  #ask(target: string, observer: Observer): void {
    const askedAtMs = this.#agenda.nowMs;
    const database = this.#databases.get(target)!;
    const { life } = this.#brain;
    const { listsLogins } = this.#traits;
    this.#agenda.after(this.#random.between(0, 15), () => {
      const sessions = database.list();
      this.#agenda.after(this.#random.between(0, 15), () => {
        if (life !== this.#brain.life) return;
        observer.isAsking = false;
        const own = database.observerId;
        if (this.cutOff.has(target)) this.#brain.tell({ kind: 'unobserved', target, problem: 'gone' });
        else
          this.#brain.tell({
            kind: 'observed',
            target,
            askedAtMs,
            sessions: sessions.filter(({ serverId }) => serverId !== own),
            own: [own],
            listsLogins,
            loginTimeoutMs,
          });
        this.#askIn(target, observer, observer.pauseMs);
      });
    });
  }
}

function idle(): Observer {
  return { pauseMs: quickMs, dueMs: Number.POSITIVE_INFINITY, isAsking: false };
}
