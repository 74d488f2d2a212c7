import { Election } from '../../xds-server/pure/leadership/election.js';
import type { ElectionCommand, ElectionEvent } from '../../xds-server/pure/leadership/events.js';
import type { Leadership } from '../../xds-server/pure/leadership/leadership.js';
import type { ElectionSettings } from '../../xds-server/pure/leadership/settings.js';
import type { Agenda } from './agenda.js';
import type { Brain } from './brain.js';
import type { Etcd } from './electorate.js';
import type { Random } from './random.js';

/** One brain's part in the election, for one of its lives: the shipped machine, between a clock and an etcd. */
export class Candidate {
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #brain: Brain;
  readonly #etcd: Etcd;
  readonly #isCut: () => boolean;
  readonly #changed: (leadership: Leadership) => void;
  readonly #life: number;
  readonly #election: Election;
  #dueMs = Number.POSITIVE_INFINITY;
  #unwatch: (() => void) | undefined;
  #told: Leadership = { kind: 'nobody' };
  /** From now on etcd answers at once. */
  isMended = false;

  constructor(
    agenda: Agenda,
    random: Random,
    brain: Brain,
    etcd: Etcd,
    settings: ElectionSettings,
    isCut: () => boolean,
    changed: (leadership: Leadership) => void,
  ) {
    this.#agenda = agenda;
    this.#random = random;
    this.#brain = brain;
    this.#etcd = etcd;
    this.#isCut = isCut;
    this.#changed = changed;
    this.#life = brain.life;
    this.#election = new Election(`b${brain.number}`, settings);
    this.#take({ kind: 'tick' });
  }

  /** Compaction, or a broken connection: it has to look again. */
  loseWatch(): void {
    if (!this.#unwatch) return;
    this.#unwatch();
    this.#unwatch = undefined;
    this.#back({ kind: 'unwatched', problem: 'compacted' });
  }

  #take(event: ElectionEvent): void {
    if (this.#life !== this.#brain.life) return;
    const nowMs = this.#brain.clock.monotonicMs;
    const commands = this.#election.apply(event, nowMs, this.#random.next());
    for (const command of commands) this.#carryOut(command);
    const { leadership } = this.#election;
    if (!isSame(leadership, this.#told)) {
      this.#told = leadership;
      this.#changed(leadership);
    }
    this.#arm();
  }

  #arm(): void {
    const dueMs = this.#election.nextDeadlineMs();
    if (dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    this.#brain.after(Math.max(0.1, dueMs - this.#brain.clock.monotonicMs), () => {
      if (this.#dueMs !== dueMs) return;
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.#take({ kind: 'tick' });
    });
  }

  #carryOut(command: ElectionCommand): void {
    const etcd = this.#etcd;
    const { kind } = command;
    this.#there(() => {
      if (kind === 'watch') this.#watch();
      else if (kind === 'revoke') etcd.revoke(command.lease);
      else if (kind === 'look')
        this.#back({ kind: 'seen', revision: etcd.revision, holder: etcd.holder, request: command.request });
      else if (kind === 'lease')
        this.#back({ kind: 'leased', request: command.request, ...etcd.lease(command.ttlMs) });
      else if (kind === 'keepAlive')
        this.#back({ kind: 'kept', request: command.request, ttlMs: etcd.keepAlive(command.lease) });
      else {
        const { request } = command;
        const holder = etcd.campaign(`b${this.#brain.number}`, command.lease);
        if (holder) this.#back({ kind: 'campaigned', request, revision: etcd.revision, holder });
        else this.#back({ kind: 'failed', request, problem: 'requested lease not found' });
      }
    });
  }

  #watch(): void {
    if (this.#life !== this.#brain.life) return;
    this.#unwatch?.();
    const tell = (): void => {
      this.#back({ kind: 'seen', revision: this.#etcd.revision, holder: this.#etcd.holder });
    };
    this.#unwatch = this.#etcd.watch(tell);
    tell();
  }

  #there(thing: () => void): void {
    if (this.#isCut()) return;
    this.#agenda.after(this.#delayMs(), () => {
      if (!this.#isCut()) this.#etcd.take(thing);
    });
  }

  #back(event: ElectionEvent): void {
    if (this.#isCut()) return;
    this.#agenda.after(this.#delayMs(), () => {
      if (!this.#isCut() && this.#life === this.#brain.life) this.#brain.do(() => this.#take(event));
    });
  }

  /** Of a message to etcd or from it. */
  #delayMs(): number {
    const isSlow = !this.isMended && this.#random.chance(0.05);
    return this.#random.next() * (isSlow ? 800 : 5);
  }
}

function isSame(one: Leadership, other: Leadership): boolean {
  if (one.kind === 'nobody' || other.kind === 'nobody') return one.kind === other.kind;
  if (one.kind !== other.kind || one.term !== other.term) return false;
  return one.kind === 'follower' || (other.kind === 'leader' && one.untilMs === other.untilMs);
}
