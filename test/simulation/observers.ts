import type { Plan } from '../../xds-server/pure/plan/plan.js';
import type { Agenda } from './agenda.js';
import type { Database, SessionList } from './database.js';
import { serverOf } from './plans.js';
import type { Random } from './random.js';
import type { Seat } from './seat.js';
import { loginTimeoutMs, type Traits } from './traits.js';

interface Observer {
  readonly server: string;
  pauseMs: number;
  dueMs: number;
  /** Or not connected yet. */
  isAsking: boolean;
  isTelling: boolean;
  /** On the brain's clock, of the connection over which it asks. */
  dialledMs: number;
  letInMs: number;
  newer: { readonly dialledMs: number; readonly letInMs: number } | undefined;
  isRenewing: boolean;
  renewFromMs: number;
  /** The next question is also for who logs in. */
  withLogins: boolean;
  /** Nothing has been granted yet by what it says. */
  isRecovering: boolean;
}

const quickMs = 20;
const calmMs = 1_000;
const redialMs = 1_000;

/** What keeps databases from answering, whoever asks. */
export class Troubles {
  readonly #agenda: Agenda;
  readonly #of = { unobserved: new Map<string, number>(), slow: new Map<string, number>() };

  constructor(agenda: Agenda) {
    this.#agenda = agenda;
  }

  begin(kind: 'unobserved' | 'slow', target: string, ms: number): void {
    const troubles = this.#of[kind];
    troubles.set(target, (troubles.get(target) ?? 0) + 1);
    this.#agenda.after(ms, () => troubles.set(target, troubles.get(target)! - 1));
  }

  has(kind: 'unobserved' | 'slow', target: string): boolean {
    return (this.#of[kind].get(target) ?? 0) > 0;
  }
}

/** Asks each database for its sessions: soon when it is wanted, then ever more seldom; late or in vain while there is trouble. */
export class Observers {
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #traits: Traits;
  readonly #seat: Seat;
  readonly #databases: ReadonlyMap<string, Database>;
  readonly #troubles: Troubles;
  /** By target; another one where its server is another. */
  readonly #observers = new Map<string, Observer>();

  constructor(
    agenda: Agenda,
    random: Random,
    traits: Traits,
    seat: Seat,
    databases: ReadonlyMap<string, Database>,
    troubles: Troubles,
  ) {
    this.#agenda = agenda;
    this.#random = random;
    this.#traits = traits;
    this.#seat = seat;
    this.#databases = databases;
    this.#troubles = troubles;
    this.follow(seat.plan!);
  }

  /** Looks at the servers of this plan. */
  follow(plan: Plan): void {
    const { monotonicMs } = this.#seat.process.clock;
    for (const [target, { server }] of this.#observers)
      if (serverOf(plan, target) !== server) this.#observers.delete(target);
    for (const target of plan.targets.keys()) {
      if (this.#observers.has(target)) continue;
      const observer = idle(serverOf(plan, target)!, monotonicMs);
      this.#observers.set(target, observer);
      this.#connect(target, observer);
    }
  }

  /** Nothing is asked before the server has taken it in. */
  #connect(target: string, observer: Observer): void {
    this.#databases.get(observer.server)!.dial(this.#agenda, (how) =>
      this.#seat.after(how === 'reset' ? redialMs : 0, () => {
        if (this.#isOver(target, observer)) return;
        const { monotonicMs } = this.#seat.process.clock;
        if (how === 'reset') {
          observer.dialledMs = monotonicMs;
          this.#connect(target, observer);
          return;
        }
        Object.assign(observer, { letInMs: monotonicMs, isAsking: false });
        this.#askIn(target, observer, 0);
      }),
    );
  }

  /** Nobody hears what one has to say whose server is not the target's any more. */
  #isOver(target: string, observer: Observer): boolean {
    return this.#seat.isOver || this.#observers.get(target) !== observer;
  }

  soon(target: string, dialledAfterMs?: number): void {
    const observer = this.#observers.get(target);
    if (observer && dialledAfterMs !== undefined) {
      observer.withLogins = true;
      if (observer.dialledMs <= dialledAfterMs) this.#renew(target, observer, dialledAfterMs);
    }
    // Asked for because the answer that is being told did not settle it: no reason to ask faster.
    if (!observer || observer.isTelling) return;
    observer.pauseMs = quickMs;
    this.#askIn(target, observer, quickMs);
  }

  /** Its login is short, and never one too many: it has its place in the reserve. */
  #renew(target: string, observer: Observer, dialledAfterMs: number): void {
    const { process } = this.#seat;
    const dialledMs = process.clock.monotonicMs;
    if (observer.isRenewing || dialledMs < observer.renewFromMs || dialledMs <= dialledAfterMs) return;
    observer.isRenewing = true;
    this.#databases.get(observer.server)!.dial(this.#agenda, (how) =>
      this.#agenda.within(this.#random, 5, 30, () =>
        process.do(() => {
          const { monotonicMs: letInMs } = process.clock;
          Object.assign(observer, { isRenewing: false, renewFromMs: letInMs + redialMs });
          if (this.#isOver(target, observer) || how === 'reset') return;
          // What is asked now is asked over the connection before.
          observer.newer = { dialledMs, letInMs };
          this.soon(target);
        }),
      ),
    );
  }

  #askIn(target: string, observer: Observer, delayMs: number): void {
    const dueMs = this.#agenda.nowMs + delayMs;
    if (observer.isAsking || dueMs >= observer.dueMs) return;
    observer.dueMs = dueMs;
    this.#seat.after(delayMs, () => {
      if (observer.dueMs !== dueMs || observer.isAsking || this.#isOver(target, observer)) return;
      observer.dueMs = Number.POSITIVE_INFINITY;
      observer.isAsking = true;
      observer.pauseMs = Math.min(calmMs, observer.pauseMs * 2);
      this.#ask(target, observer);
    });
  }

  /** The list is of some moment between the question and the answer. */
  #ask(target: string, observer: Observer): void {
    const seat = this.#seat;
    const askedAtMs = seat.process.clock.monotonicMs;
    if (observer.newer) Object.assign(observer, observer.newer);
    const { dialledMs, letInMs, withLogins } = observer;
    observer.withLogins = false;
    const mostMs = this.#troubles.has('slow', target) ? 2_500 : 15;
    this.#agenda.within(this.#random, 0, mostMs, () => {
      const list = this.#databases.get(observer.server)!.list();
      this.#agenda.within(this.#random, 0, mostMs, () => {
        if (this.#isOver(target, observer)) return;
        seat.process.do(() => {
          if (this.#isOver(target, observer)) return;
          observer.isAsking = false;
          observer.isTelling = true;
          this.#answer(target, observer, askedAtMs, list, withLogins ? { dialledMs, letInMs } : undefined);
          observer.isTelling = false;
          this.#askIn(target, observer, observer.pauseMs);
        });
      });
    });
  }

  #answer(
    target: string,
    observer: Observer,
    askedAtMs: number,
    { rows, sessions, loggingIn }: SessionList,
    connection: { readonly dialledMs: number; readonly letInMs: number } | undefined,
  ): void {
    const seat = this.#seat;
    const { server } = observer;
    if (this.#troubles.has('unobserved', target)) {
      observer.withLogins ||= connection !== undefined;
      seat.tell({ kind: 'unobserved', target, problem: 'gone' });
      return;
    }
    const own = [this.#databases.get(server)!.observerId];
    const { listsLogins } = this.#traits;
    const serverIds = loggingIn.map(({ serverId }) => serverId);
    seat.tell({
      kind: 'observed',
      target,
      askedAtMs,
      sessions: rows,
      own,
      listsLogins,
      namesLogins: !listsLogins,
      loginTimeoutMs,
      ...(connection && !listsLogins && { logins: { serverIds, ...connection } }),
    });
    if (observer.isRecovering && !seat.ledger.view().targets.get(target)?.recovering) {
      observer.isRecovering = false;
      for (const session of loggingIn) session.begunTo = seat.number;
    }
    for (const [i, session] of sessions.entries()) {
      if (rows[i]!.user !== undefined && session.namedTo < seat.number) {
        session.namedTo = seat.number;
        const wasShown = session.shownTo === seat.number || session.begunTo === seat.number;
        session.namedMs = wasShown ? this.#agenda.nowMs : Number.NEGATIVE_INFINITY;
      }
      if (session.shownTo < seat.number) {
        session.shownTo = seat.number;
        session.firstShownMs = this.#agenda.nowMs;
      }
      session.shownMs = this.#agenda.nowMs;
    }
  }
}

function idle(server: string, nowMs: number): Observer {
  return {
    server,
    pauseMs: quickMs,
    dueMs: Number.POSITIVE_INFINITY,
    isAsking: true,
    isTelling: false,
    dialledMs: nowMs,
    letInMs: nowMs,
    newer: undefined,
    isRenewing: false,
    renewFromMs: Number.NEGATIVE_INFINITY,
    withLogins: false,
    isRecovering: true,
  };
}
