/**
 * Brains, an etcd and what lies between them, for the election alone: true time is the agenda's, and every machine has a
 * clock of its own that runs at its own rate from a start of its own. Messages are lost, late and overtaken; brains stand
 * still, crash and come back; etcd stops answering, or changes its leader and gives every lease its life anew.
 */
import { Election } from '../../xds-server/pure/leadership/election.js';
import type { ElectionCommand, ElectionEvent, Holder } from '../../xds-server/pure/leadership/events.js';
import type { ElectionSettings } from '../../xds-server/pure/leadership/settings.js';
import { Agenda } from './agenda.js';
import { Random } from './random.js';

export interface ElectorateOptions {
  readonly seed: number;
  readonly brains: number;
  readonly settings: ElectionSettings;
  /** Each clock's rate is within 1 ± this. */
  readonly rateError: number;
  /** From a command's being given until it is carried out, at the most; the same for its answer. */
  readonly delayMs: number;
  /** Share of messages that are lost. */
  readonly loss: number;
  /** Something breaks about this often; 0: nothing ever does. */
  readonly faultEveryMs: number;
}

/** A stretch of true time in which a brain would have granted. */
export interface Reign {
  readonly brain: string;
  readonly term: number;
  readonly fromMs: number;
  untilMs: number;
}

const longestPauseMs = 6_000;

export class Electorate {
  readonly #options: ElectorateOptions;
  readonly #random: Random;
  readonly agenda = new Agenda();
  readonly etcd: Etcd;
  readonly #brains: Brain[];
  readonly reigns: Reign[] = [];
  #faulty = true;

  constructor(options: ElectorateOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.etcd = new Etcd(this.agenda, this.#rate());
    this.#brains = Array.from({ length: options.brains }, (_, i) => new Brain(`brain-${i}`, this));
    if (options.faultEveryMs > 0) this.#nextFault();
  }

  get settings(): ElectionSettings {
    return this.#options.settings;
  }

  chance(): number {
    return this.#random.next();
  }

  clock(): Clock {
    return new Clock(this.agenda, this.#rate(), this.#random.between(0, 1e9));
  }

  /** To the other side, if it gets there. */
  send(deliver: () => void): void {
    const { delayMs, loss } = this.#options;
    if (this.#random.chance(loss)) return;
    this.agenda.after(this.#random.next() ** 3 * delayMs, deliver);
  }

  run(forMs: number): void {
    const untilMs = this.agenda.nowMs + forMs;
    while (this.agenda.step(untilMs));
  }

  /** Pairs that were leaders at one and the same time. */
  overlaps(): (readonly [Reign, Reign])[] {
    const found: (readonly [Reign, Reign])[] = [];
    for (const [i, one] of this.reigns.entries())
      for (const other of this.reigns.slice(i + 1))
        if (one.brain !== other.brain && one.fromMs < other.untilMs && other.fromMs < one.untilMs)
          found.push([one, other]);
    return found;
  }

  /** Who would grant now. */
  leaders(): string[] {
    const { nowMs } = this.agenda;
    return this.reigns
      .filter(({ fromMs, untilMs }) => fromMs <= nowMs && nowMs < untilMs)
      .map(({ brain }) => brain);
  }

  /** Nothing breaks from now on. */
  calm(): void {
    this.#faulty = false;
  }

  #rate(): number {
    const { rateError } = this.#options;
    return 1 + (2 * this.#random.next() - 1) * rateError;
  }

  #nextFault(): void {
    this.agenda.after(this.#random.next() * 2 * this.#options.faultEveryMs, () => {
      if (!this.#faulty) return;
      this.#fault();
      this.#nextFault();
    });
  }

  #fault(): void {
    const brain = this.#random.pick(this.#brains);
    const forMs = this.#random.next() * longestPauseMs;
    const kind = this.#random.between(0, 5);
    if (kind === 0) brain.pause(forMs);
    else if (kind === 1) brain.crash(forMs);
    else if (kind === 2) brain.resign(forMs);
    else if (kind === 3) brain.cutOff(forMs);
    else if (kind === 4) this.etcd.stop(forMs);
    else this.etcd.changeLeader();
  }
}

class Clock {
  readonly #agenda: Agenda;
  readonly #rate: number;
  readonly #startMs: number;

  constructor(agenda: Agenda, rate: number, startMs: number) {
    this.#agenda = agenda;
    this.#rate = rate;
    this.#startMs = startMs;
  }

  get nowMs(): number {
    return this.#startMs + this.#agenda.nowMs * this.#rate;
  }

  trueMsUntil(ownMs: number): number {
    return (ownMs - this.nowMs) / this.#rate;
  }
}

class Brain {
  readonly #name: string;
  readonly #world: Electorate;
  readonly #clock: Clock;
  #election: Election;
  /** Messages to an earlier run are nobody's. */
  #run = 0;
  #alive = true;
  #pausedUntilMs = 0;
  #cutUntilMs = 0;
  #unwatch: (() => void) | undefined;
  #reign: Reign | undefined;

  constructor(name: string, world: Electorate) {
    this.#name = name;
    this.#world = world;
    this.#clock = world.clock();
    this.#election = this.#start();
  }

  #start(): Election {
    const run = ++this.#run;
    this.#alive = true;
    this.#election = new Election(this.#name, this.#world.settings);
    this.#world.agenda.after(0, () => this.#tick(run));
    return this.#election;
  }

  pause(forMs: number): void {
    this.#pausedUntilMs = this.#world.agenda.nowMs + forMs;
  }

  crash(forMs: number): void {
    if (!this.#alive) return;
    this.#end();
    this.#world.agenda.after(forMs, () => this.#start());
  }

  /** As a brain does that stops: it grants no more, then says so. */
  resign(forMs: number): void {
    if (!this.#alive) return;
    this.#take({ kind: 'resign' }, this.#run);
    this.#end();
    this.#world.agenda.after(forMs, () => this.#start());
  }

  cutOff(forMs: number): void {
    this.#cutUntilMs = this.#world.agenda.nowMs + forMs;
  }

  #end(): void {
    this.#alive = false;
    this.#run++;
    this.#unwatch?.();
    this.#judge(true);
  }

  #tick(run: number): void {
    if (run !== this.#run || this.#whenAwake(() => this.#tick(run))) return;
    this.#take({ kind: 'tick' }, run);
    const inMs = Math.max(0.1, this.#clock.trueMsUntil(this.#election.nextDeadlineMs()));
    // A timer that is late now and then.
    const lateMs = this.#world.chance() ** 8 * 200;
    this.#world.agenda.after(inMs + lateMs, () => this.#tick(run));
  }

  /** @returns whether it stands still, and then does it later */
  #whenAwake(what: () => void): boolean {
    const { agenda } = this.#world;
    if (this.#pausedUntilMs <= agenda.nowMs) return false;
    agenda.after(this.#pausedUntilMs - agenda.nowMs, what);
    return true;
  }

  #take(event: ElectionEvent, run: number): void {
    if (run !== this.#run || this.#whenAwake(() => this.#take(event, run))) return;
    const commands = this.#election.apply(event, this.#clock.nowMs, this.#world.chance());
    this.#judge(false);
    for (const command of commands) this.#carryOut(command, run);
  }

  /** What it would grant by, from now on until then, whether it stands still in between or not. */
  #judge(ended: boolean): void {
    const { agenda, reigns } = this.#world;
    const leadership = this.#election.leadership;
    const isLeader = !ended && leadership.kind === 'leader' && leadership.untilMs > this.#clock.nowMs;
    if (this.#reign && (!isLeader || this.#reign.term !== leadership.term)) {
      this.#reign.untilMs = Math.min(this.#reign.untilMs, agenda.nowMs);
      this.#reign = undefined;
    }
    if (!isLeader) return;
    const untilMs = agenda.nowMs + this.#clock.trueMsUntil(leadership.untilMs);
    // A term that was over in between is another reign: somebody else may have led.
    if (this.#reign && this.#reign.untilMs >= agenda.nowMs) this.#reign.untilMs = untilMs;
    else {
      this.#reign = { brain: this.#name, term: leadership.term, fromMs: agenda.nowMs, untilMs };
      reigns.push(this.#reign);
    }
  }

  #carryOut(command: ElectionCommand, run: number): void {
    const { etcd } = this.#world;
    const answer = (event: ElectionEvent): void => this.#deliver(event, run);
    this.#send(() => {
      if (command.kind === 'watch') this.#watch(run);
      else if (command.kind === 'revoke') etcd.revoke(command.lease);
      else if (command.kind === 'look')
        answer({ kind: 'seen', revision: etcd.revision, holder: etcd.holder, request: command.request });
      else if (command.kind === 'lease')
        answer({ kind: 'leased', request: command.request, ...etcd.lease(command.ttlMs) });
      else if (command.kind === 'keepAlive')
        answer({ kind: 'kept', request: command.request, ttlMs: etcd.keepAlive(command.lease) });
      else {
        const holder = etcd.campaign(this.#name, command.lease);
        if (holder) answer({ kind: 'campaigned', request: command.request, revision: etcd.revision, holder });
        else answer({ kind: 'failed', request: command.request, problem: 'requested lease not found' });
      }
    });
  }

  #watch(run: number): void {
    if (run !== this.#run) return;
    this.#unwatch?.();
    const tell = (): void =>
      this.#deliver(
        { kind: 'seen', revision: this.#world.etcd.revision, holder: this.#world.etcd.holder },
        run,
      );
    this.#unwatch = this.#world.etcd.watch(tell);
    tell();
  }

  #send(deliver: () => void): void {
    if (this.#isCutOff()) return;
    this.#world.send(() => !this.#isCutOff() && this.#world.etcd.take(deliver));
  }

  #deliver(event: ElectionEvent, run: number): void {
    if (this.#isCutOff()) return;
    this.#world.send(() => !this.#isCutOff() && this.#take(event, run));
  }

  #isCutOff(): boolean {
    return this.#cutUntilMs > this.#world.agenda.nowMs;
  }
}

interface Lease {
  readonly ttlMs: number;
  expiresMs: number;
}

/** One key. Leases run out on etcd's own clock, and not to the millisecond. */
export class Etcd {
  readonly #agenda: Agenda;
  readonly #rate: number;
  readonly #sweepMs: number;
  readonly #leases = new Map<string, Lease>();
  readonly #watchers = new Set<() => void>();
  #leaseIds = 0;
  #stoppedUntilMs = 0;
  revision = 1;
  holder: Holder | undefined;

  /** @param sweepMs how often it looks for leases that are over */
  constructor(agenda: Agenda, rate: number, sweepMs = 7) {
    this.#agenda = agenda;
    this.#rate = rate;
    this.#sweepMs = sweepMs;
    this.#sweep();
  }

  /** Carried out when it answers again, in any order. */
  take(request: () => void): void {
    const leftMs = this.#stoppedUntilMs - this.#agenda.nowMs;
    if (leftMs > 0) this.#agenda.after(leftMs, () => this.take(request));
    else request();
  }

  lease(ttlMs: number): { readonly lease: string; readonly ttlMs: number } {
    const lease = `lease-${++this.#leaseIds}`;
    this.#leases.set(lease, { ttlMs, expiresMs: this.#nowMs + ttlMs });
    return { lease, ttlMs };
  }

  keepAlive(id: string): number {
    const lease = this.#leases.get(id);
    if (!lease) return 0;
    lease.expiresMs = this.#nowMs + lease.ttlMs;
    return lease.ttlMs;
  }

  campaign(brain: string, lease: string): Holder | undefined {
    if (this.holder) return this.holder;
    if (!this.#leases.has(lease)) return undefined;
    this.holder = { term: ++this.revision, brain, address: `${brain}:1`, lease };
    this.#tell();
    return this.holder;
  }

  revoke(lease: string): void {
    this.#leases.delete(lease);
    if (this.holder?.lease !== lease) return;
    this.revision++;
    this.holder = undefined;
    this.#tell();
  }

  watch(tell: () => void): () => void {
    this.#watchers.add(tell);
    return () => this.#watchers.delete(tell);
  }

  /** All its members, or their majority. Time goes on, and leases are looked at when it is back. */
  stop(forMs: number): void {
    this.#stoppedUntilMs = this.#agenda.nowMs + forMs;
  }

  changeLeader(): void {
    for (const lease of this.#leases.values()) lease.expiresMs = this.#nowMs + lease.ttlMs;
  }

  get #nowMs(): number {
    return this.#agenda.nowMs * this.#rate;
  }

  #tell(): void {
    for (const tell of this.#watchers) tell();
  }

  #sweep(): void {
    this.take(() => {
      for (const [id, { expiresMs }] of this.#leases) if (expiresMs <= this.#nowMs) this.revoke(id);
    });
    this.#agenda.after(this.#sweepMs, () => this.#sweep());
  }
}
