/**
 * All brains of a world, and who of them decides. One alone leads for as long as it lives, as it does without etcd;
 * several stand for election, those that do not lead follow.
 */
import type { Leadership } from '../../xds-server/pure/leadership/leadership.js';
import { defaultElection, type ElectionSettings } from '../../xds-server/pure/leadership/settings.js';
import type { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import { type LedgerSettings, recoveryMs } from '../../xds-server/pure/ledger/settings.js';
import type { Plan } from '../../xds-server/pure/plan/plan.js';
import type { Agenda } from './agenda.js';
import { Brain, decide } from './brain.js';
import { Candidate } from './candidate.js';
import { Etcd } from './electorate.js';
import { Follow } from './follow.js';
import type { Random } from './random.js';
import { Seat, type Surroundings } from './seat.js';
import { settings } from './traits.js';

export interface BrainsOptions {
  readonly agenda: Agenda;
  readonly random: Random;
  readonly count: number;
  readonly ledger: (settings: LedgerSettings) => Ledger;
  readonly election: Partial<ElectionSettings>;
  /** Whether a leader stops granting when its term is over. */
  readonly endsTerms: boolean;
  readonly surroundings: Surroundings;
  /** A new ledger has begun. */
  readonly seated: (seat: Seat) => void;
}

/** Two that do not reach each other, and how many times over. */
interface Cut {
  times: number;
}

const followAgainMs = 200;
/** etcd looks for leases that are over twice a second. */
const sweepMs = 500;

export class Brains {
  readonly all: readonly Brain[];
  readonly #options: BrainsOptions;
  readonly #etcd: Etcd;
  readonly #candidates = new Map<Brain, Candidate>();
  readonly #follows = new Map<Brain, Follow>();
  readonly #leaderships = new Map<Brain, Leadership>();
  /** Of pairs of brains, and of brains and etcd. */
  readonly #cuts = new Map<string, Cut>();
  readonly #seatSettings: LedgerSettings;
  #seats = 0;
  /** The one of the latest term. */
  newest: Seat | undefined;
  /** In true time. */
  seatedMs = 0;
  #plan: Plan;

  constructor(options: BrainsOptions, plan: Plan) {
    const { agenda, random, count } = options;
    this.#options = options;
    this.#plan = plan;
    this.#seatSettings = { ...settings, follows: count > 1 ? 'term' : 'restart' };
    const rate = 1 + random.between(-550, 550) / 1e6;
    this.#etcd = new Etcd(agenda, rate, count > 1 ? sweepMs : Number.POSITIVE_INFINITY);
    this.all = Array.from({ length: count }, (_, i) => new Brain(i + 1, agenda, random, count === 1));
  }

  /** Of a ledger that begins. */
  get recoveryMs(): number {
    return recoveryMs(this.#seatSettings);
  }

  start(brain: Brain): void {
    brain.plan = this.#plan;
    if (this.all.length === 1)
      this.#follow(brain, { kind: 'leader', term: 0, untilMs: Number.POSITIVE_INFINITY });
    else this.#campaign(brain);
  }

  /** Every brain that runs has it at once; one that comes back begins with it. */
  adopt(plan: Plan): void {
    this.#plan = plan;
    for (const brain of this.all)
      brain.do(() => {
        // What was overtaken while it stood still is not read.
        if (this.#plan !== plan) return;
        brain.plan = plan;
        brain.seat?.tell({ kind: 'plan', plan });
      });
  }

  kill(brain: Brain, ms: number): void {
    this.#follows.get(brain)?.end();
    this.#follows.delete(brain);
    brain.die();
    this.#options.agenda.after(ms, () => {
      brain.rise();
      this.start(brain);
    });
  }

  cut(one: string, other: string, ms: number): void {
    const cut = this.#cutOf(one, other);
    cut.times += 1;
    this.#options.agenda.after(ms, () => {
      cut.times -= 1;
    });
  }

  stopEtcd(ms: number): void {
    this.#etcd.stop(ms);
  }

  changeEtcdLeader(): void {
    this.#etcd.changeLeader();
  }

  mend(): void {
    for (const candidate of this.#candidates.values()) candidate.isMended = true;
  }

  compactEtcd(): void {
    for (const candidate of this.#candidates.values()) candidate.loseWatch();
  }

  /** The same one, whoever asks for it, and in which order. */
  #cutOf(one: string, other: string): Cut {
    const pair = one < other ? `${one} ${other}` : `${other} ${one}`;
    const known = this.#cuts.get(pair);
    if (known) return known;
    const cut = { times: 0 };
    this.#cuts.set(pair, cut);
    return cut;
  }

  #campaign(brain: Brain): void {
    const { agenda, random, election } = this.#options;
    const cut = this.#cutOf(`b${brain.number}`, 'etcd');
    const isCut = (): boolean => cut.times > 0;
    const given = { ...defaultElection, ...election };
    const candidate = new Candidate(agenda, random, brain, this.#etcd, given, isCut, (leadership) =>
      this.#follow(brain, leadership),
    );
    this.#candidates.set(brain, candidate);
  }

  #follow(brain: Brain, leadership: Leadership): void {
    this.#leaderships.set(brain, leadership);
    if (brain.seat && (leadership.kind !== 'leader' || leadership.term !== brain.seat.term)) {
      brain.seat.isOver = true;
      brain.seat = undefined;
      brain.close();
    }
    const follow = this.#follows.get(brain);
    if (follow && (leadership.kind !== 'follower' || leadership.term !== follow.term)) {
      follow.end();
      this.#follows.delete(brain);
    }
    if (leadership.kind === 'leader') this.#lead(brain, leadership);
    else if (leadership.kind === 'follower') this.#dial(brain, leadership);
  }

  #lead(brain: Brain, { term, untilMs }: Extract<Leadership, { kind: 'leader' }>): void {
    const endMs = this.#options.endsTerms ? untilMs : Number.POSITIVE_INFINITY;
    if (brain.seat) {
      brain.seat.lead(endMs);
      return;
    }
    const { ledger, surroundings, seated, agenda } = this.#options;
    const number = this.all.length > 1 ? term : ++this.#seats;
    const seat = new Seat(brain, ledger(this.#seatSettings), number, term, surroundings);
    brain.seat = seat;
    // One that hears late that it was elected may be of a term that is over.
    if (!this.newest || number > this.newest.number) {
      this.newest = seat;
      this.seatedMs = agenda.nowMs;
    }
    seat.lead(endMs);
    seat.tell({ kind: 'plan', plan: brain.plan! });
    seated(seat);
    brain.open({ pass: (news) => decide(seat, news, brain) });
  }

  #dial(brain: Brain, leadership: Extract<Leadership, { kind: 'follower' }>): void {
    const known = this.#follows.get(brain);
    if (known && !known.isOver) return;
    const { agenda, random } = this.#options;
    const leader = this.all[Number(leadership.brain.slice(1)) - 1]!;
    const cut = this.#cutOf(leadership.brain, `b${brain.number}`);
    const isCut = (): boolean => cut.times > 0;
    const follow = new Follow(agenda, random, brain, leader, leadership.term, isCut, () => {
      brain.after(followAgainMs, () => {
        if (this.#leaderships.get(brain) === leadership) this.#dial(brain, leadership);
      });
    });
    this.#follows.set(brain, follow);
  }
}
