import { NodeClock } from '../../xds-server/pure/clock/node-clock.js';
import type { Answer, News } from '../../xds-server/pure/peers/messages.js';
import type { Asker } from '../../xds-server/shells/control/admission.js';
import type { Agenda } from './agenda.js';
import { type Brain, decide, type Leader } from './brain.js';
import type { Random } from './random.js';
import type { Seat } from './seat.js';

/** Without a sign of life the other side is given up; signs come this often. */
const silenceMs = 2_000;
const signMs = 500;
const pauseMs = 200;

interface UnderWay {
  readonly thing: () => void;
  atMs: number;
}

/**
 * The call of a brain that follows to the one that leads: what is sent arrives in its order, late, or not at all with all
 * that comes after it.
 */
export class Follow implements Leader, Asker {
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #follower: Brain;
  readonly #leader: Brain;
  readonly term: number;
  readonly #isCut: () => boolean;
  readonly #ended: () => void;
  readonly #life: number;
  readonly #clock = new NodeClock();
  readonly #under = { there: [] as UnderWay[], back: [] as UnderWay[] };
  readonly #leaderLife: number;
  #seat: Seat | undefined;
  /** Nodes of whose sessions the leader has heard by it. */
  readonly #reporting = new Set<string>();
  #heardMs: number;
  #isOpen = false;
  isOver = false;

  constructor(
    agenda: Agenda,
    random: Random,
    follower: Brain,
    leader: Brain,
    term: number,
    isCut: () => boolean,
    ended: () => void,
  ) {
    this.#agenda = agenda;
    this.#random = random;
    this.#follower = follower;
    this.#leader = leader;
    this.term = term;
    this.#ended = ended;
    this.#isCut = isCut;
    this.#life = follower.life;
    this.#leaderLife = leader.life;
    this.#heardMs = follower.clock.monotonicMs;
    this.#there(() => this.#accept());
    this.#look();
  }

  /** It has ended, and is not to be begun again. */
  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.#isOpen && this.#life === this.#follower.life) this.#follower.close();
    const seat = this.#seat;
    if (seat)
      this.#leader.do(() => {
        seat.admission.leave(this);
        for (const node of this.#reporting) seat.tell({ kind: 'cut-off', node });
      });
    if (this.#life === this.#follower.life) this.#ended();
  }

  pass(news: News): void {
    const { monotonicMs, epochMs } = this.#follower.clock;
    this.#there(() => {
      const seat = this.#seat;
      if (!seat || seat.isOver) return;
      const nowMs = this.#stamped(monotonicMs, epochMs);
      if (news.kind === 'session') this.#reporting.add(news.session.event.node);
      if (news.kind !== 'check') decide(seat, news, this);
      else {
        const { question } = news;
        const bornMs = nowMs - (this.#clock.nodeMs(nowMs) - question.bornMs);
        decide(seat, { kind: 'check', question: { ...question, bornMs } }, this);
      }
    });
  }

  answer(answer: Answer): void {
    this.#back(() => this.#follower.answer(answer));
  }

  clockAt(ms: number): number {
    return this.#clock.nodeMs(ms);
  }

  #accept(): void {
    const { seat } = this.#leader;
    if (!seat || seat.term !== this.term) {
      this.#back(() => this.end());
      return;
    }
    this.#seat = seat;
    this.#back(() => {
      this.#isOpen = true;
      this.#follower.open(this);
    });
  }

  #stamped(monotonicMs: number, epochMs: number): number {
    const nowMs = this.#leader.clock.monotonicMs;
    const bornUnixMs = monotonicMs + epochMs;
    this.#clock.observe({ monotonicMs, ageMs: 0, bornUnixMs, retriedAfterMs: 0 }, nowMs);
    return nowMs;
  }

  /** Signs of life, each way, and what follows when there are none. */
  #look(): void {
    this.#follower.after(signMs, () => {
      if (this.isOver) return;
      const nowMs = this.#follower.clock.monotonicMs;
      if (nowMs - this.#heardMs > silenceMs || this.#seat?.isOver) this.end();
      else {
        const { monotonicMs, epochMs } = this.#follower.clock;
        this.#there(() => {
          this.#stamped(monotonicMs, epochMs);
          this.#back(() => undefined);
        });
        this.#look();
      }
    });
  }

  #there(thing: () => void): void {
    this.#send('there', this.#leader, thing);
  }

  #back(thing: () => void): void {
    this.#send('back', this.#follower, () => {
      this.#heardMs = this.#follower.clock.monotonicMs;
      thing();
    });
  }

  #send(way: 'there' | 'back', to: Brain, thing: () => void): void {
    const usualMs = this.#random.chance(0.9) ? this.#random.between(0, 5) : this.#random.between(0, 300);
    const queue = this.#under[way];
    queue.push({ thing, atMs: this.#agenda.nowMs + usualMs });
    if (queue.length === 1) this.#deliver(queue, to);
  }

  /** One after the other: while it is cut it waits in a socket, and all that comes after it too. */
  #deliver(queue: UnderWay[], to: Brain): void {
    const first = queue[0];
    if (!first) return;
    this.#agenda.after(first.atMs - this.#agenda.nowMs, () => {
      if (this.isOver) return;
      if (this.#isCut()) first.atMs = this.#agenda.nowMs + pauseMs;
      else {
        queue.shift();
        const life = to === this.#leader ? this.#leaderLife : this.#life;
        to.do(() => {
          if (!this.isOver && life === to.life) first.thing();
        });
      }
      this.#deliver(queue, to);
    });
  }
}
