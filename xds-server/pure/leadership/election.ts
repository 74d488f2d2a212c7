/**
 * One brain's part in the election of a leader. Whoever makes the key in etcd leads; the key goes with the lease that
 * it was made under. A pure state machine: answers, news and time go in, commands come out.
 *
 *                      look, watch: there is no key
 *   watching ──────────────────────────────────────────▶ leasing ──▶ campaigning ──▶ leading
 *     ▲  ▲ └── another one's key: following                 │             │             │
 *     │  └── failed: a pause, longer each time ◀────────────┴─────────────┤             │
 *     └────── another was first, or the lease or the key is gone ◀────────┴─────────────┘
 *
 * Why two never lead at once, whatever is lost, late or asked twice:
 *
 *   etcd lets a lease go no sooner than its time to live after it has taken in a request to grant or renew it, and that
 *   is after the request was sent. A term ends that long after the *sending*, on the leader's own monotonic clock,
 *   less what two clocks may part in that time. So it is over before anybody else can make the key. Nobody's wall clock
 *   is asked, no two clocks are compared.
 *
 *   A key whose lease this process has not itself asked for is another's, also when it bears this brain's name: how old
 *   that lease is, is not known here, and the process that asked for it may still live.
 *
 *   Past its end a term gives nothing, and is not given up: that etcd renews the very lease proves that the key was
 *   there all the time, and that nobody else has led. Then the same term goes on.
 *
 * News of the key have revisions: those that were overtaken are not heard. An answer with a lower revision than was known
 * when it was asked for is from an etcd that has begun anew, or from a backup: what was known is of another world.
 */
import type { ElectionCommand, ElectionEvent, Holder, LeaseId, RequestId } from './events.js';
import type { Leadership, Term } from './leadership.js';
import type { ElectionSettings } from './settings.js';

type Event<Kind extends ElectionEvent['kind']> = Extract<ElectionEvent, { kind: Kind }>;

interface Lease {
  readonly id: LeaseId;
  /** Until then it is certain that etcd has it. */
  untilMs: number;
  renewAtMs: number;
}

/** A question that is not answered yet. */
interface Asked {
  readonly kind: 'look' | 'lease' | 'campaign' | 'keepAlive';
  readonly sentMs: number;
}

/** Since when etcd does not answer, and what was heard last of why. */
export interface Trouble {
  readonly sinceMs: number;
  readonly problem: string;
}

export class Election {
  readonly #brain: string;
  readonly #settings: ElectionSettings;
  #nowMs = Number.NEGATIVE_INFINITY;
  #commands: ElectionCommand[] = [];
  #requests: RequestId = 0;
  readonly #asked = new Map<RequestId, Asked>();
  /** The newest revision that was heard of; −1 before the first. */
  #revision = -1;
  /** The last request before it was. */
  #revisionAfter: RequestId = 0;
  #holder: Holder | undefined;
  #lease: Lease | undefined;
  /** Under which this brain has asked for the key last. */
  #stoodUnder: LeaseId | undefined;
  /** Of the key that was made under the lease; undefined: none is known to have been. */
  #term: Term | undefined;
  #stands: boolean;
  #resigned = false;
  #watching = false;
  #watchAtMs = Number.NEGATIVE_INFINITY;
  #lookAtMs = Number.NEGATIVE_INFINITY;
  #campaignAtMs = Number.NEGATIVE_INFINITY;
  /** In a row. */
  #failures = 0;
  #trouble: Trouble | undefined;
  /** When etcd was heard of last. */
  #heardMs = Number.NEGATIVE_INFINITY;

  /**
   * @param brain this one's name, as in the key
   * @param stands whether it may lead from the start; otherwise it looks on until `stand`
   */
  constructor(brain: string, settings: ElectionSettings, stands = true) {
    this.#brain = brain;
    this.#settings = settings;
    this.#stands = stands;
  }

  /**
   * One step.
   *
   * @param nowMs monotonic; a time before the last one counts as the last one
   * @param chance in [0, 1): spreads the pauses of several brains
   * @returns what to do now, in this order
   */
  apply(event: ElectionEvent, nowMs: number, chance: number): ElectionCommand[] {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    this.#take(event, chance);
    this.#giveUpWaiting(chance);
    this.#act();
    const commands = this.#commands;
    this.#commands = [];
    return commands;
  }

  /** What other parts of this brain are told. */
  get leadership(): Leadership {
    if (this.#term !== undefined && this.#lease)
      return { kind: 'leader', term: this.#term, untilMs: this.#lease.untilMs };
    if (!this.#holder) return { kind: 'nobody' };
    const { term, brain, address } = this.#holder;
    // An earlier run of this brain, one that was given its name by mistake, or none that can be dialled: nobody to turn to.
    if (brain === this.#brain || address === '') return { kind: 'nobody' };
    return { kind: 'follower', term, brain, address };
  }

  /** Whoever has the key by the newest news; also this brain. */
  get holder(): Holder | undefined {
    return this.#holder;
  }

  /** Whoever has the key under the name of this brain, and is another process; for people: it decides nothing. */
  get namesake(): Holder | undefined {
    const isOwn = this.#term !== undefined || this.#holder?.lease === this.#stoodUnder;
    return this.#holder?.brain === this.#brain && !isOwn ? this.#holder : undefined;
  }

  /** Undefined while etcd answers. */
  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  /** When the next step is due if nothing happens before: then a `tick`. */
  nextDeadlineMs(): number {
    let dueMs = this.#lookAtMs;
    if (!this.#watching) dueMs = Math.min(dueMs, this.#watchAtMs);
    if (this.#lease) dueMs = Math.min(dueMs, this.#lease.renewAtMs);
    if (this.#mayCampaign()) dueMs = Math.min(dueMs, this.#campaignAtMs);
    for (const { sentMs } of this.#asked.values())
      dueMs = Math.min(dueMs, sentMs + this.#settings.patienceMs);
    return dueMs;
  }

  #take(event: ElectionEvent, chance: number): void {
    if (event.kind === 'seen') this.#see(event);
    else if (event.kind === 'unwatched') this.#unwatched(event, chance);
    else if (event.kind === 'leased') this.#leased(event);
    else if (event.kind === 'campaigned') this.#campaigned(event);
    else if (event.kind === 'kept') this.#kept(event);
    else if (event.kind === 'failed') this.#failed(event.request, event.problem, chance);
    else if (event.kind === 'stand') this.#stands = true;
    else if (event.kind === 'resign') this.#resign();
  }

  #see({ request, revision, holder }: Event<'seen'>): void {
    if (request !== undefined) this.#asked.delete(request);
    this.#answered();
    if (request !== undefined && request > this.#revisionAfter && revision < this.#revision) {
      this.#letGo();
      this.#revision = -1;
    }
    this.#learn(revision, holder);
  }

  #unwatched({ problem }: Event<'unwatched'>, chance: number): void {
    this.#watching = false;
    this.#watchAtMs = this.#nowMs + this.#pauseMs(chance);
    this.#failures++;
    this.#troubled(problem);
  }

  #leased({ request, lease, ttlMs }: Event<'leased'>): void {
    const asked = this.#answerTo(request);
    if (lease === this.#lease?.id) return;
    // It was not waited for; or leadership was given up meanwhile.
    if (!asked || this.#resigned || this.#lease) {
      this.#commands.push({ kind: 'revoke', lease });
      return;
    }
    const { renewMs } = this.#settings;
    this.#lease = { id: lease, untilMs: this.#endOf(asked, ttlMs), renewAtMs: asked.sentMs + renewMs };
  }

  #campaigned({ request, revision, holder }: Event<'campaigned'>): void {
    this.#answerTo(request);
    this.#learn(revision, holder);
  }

  #kept({ request, ttlMs }: Event<'kept'>): void {
    const asked = this.#answerTo(request);
    if (!asked || !this.#lease) return;
    if (ttlMs > 0) {
      this.#lease.untilMs = Math.max(this.#lease.untilMs, this.#endOf(asked, ttlMs));
      return;
    }
    if (this.#holder?.lease === this.#lease.id) this.#holder = undefined;
    this.#letGo();
  }

  #failed(request: RequestId, problem: string, chance: number): void {
    const asked = this.#asked.get(request);
    if (!asked) return;
    this.#asked.delete(request);
    this.#failures++;
    // A look that was lost says nothing when its answer came by another way since. What asks for more than news is missed.
    if (asked.kind !== 'look' || asked.sentMs >= this.#heardMs) this.#troubled(problem);
    const againMs = this.#nowMs + this.#pauseMs(chance);
    if (asked.kind === 'lease' || asked.kind === 'campaign') this.#campaignAtMs = againMs;
    // Sooner than in its turn: the term is running out.
    else if (asked.kind === 'keepAlive' && this.#lease)
      this.#lease.renewAtMs = Math.min(this.#lease.renewAtMs, againMs);
  }

  #resign(): void {
    this.#resigned = true;
    this.#revoke();
  }

  /** Where the key is, and so whether it is this brain's. */
  #learn(revision: number, holder: Holder | undefined): void {
    if (revision < this.#revision) return;
    if (revision > this.#revision) this.#revisionAfter = this.#requests;
    this.#revision = revision;
    this.#holder = holder;
    const isOwn = holder !== undefined && holder.lease === this.#lease?.id;
    if (isOwn) this.#term = holder.term;
    else if (this.#term !== undefined || holder) this.#revoke();
  }

  /** A lease that is of no use, or may not be used. */
  #revoke(): void {
    if (this.#lease) this.#commands.push({ kind: 'revoke', lease: this.#lease.id });
    this.#letGo();
  }

  #letGo(): void {
    this.#lease = undefined;
    this.#term = undefined;
    // What was asked for the sake of that lease says nothing of the next one.
    for (const [request, { kind }] of this.#asked)
      if (kind === 'keepAlive' || kind === 'campaign') this.#asked.delete(request);
  }

  /** Nobody's clock is believed but this one's, and no moment but that of the sending. */
  #endOf({ sentMs }: Asked, ttlMs: number): number {
    return sentMs + ttlMs * (1 - this.#settings.drift);
  }

  /** @returns undefined when it is not waited for any more */
  #answerTo(request: RequestId): Asked | undefined {
    const asked = this.#asked.get(request);
    this.#asked.delete(request);
    this.#answered();
    return asked;
  }

  #answered(): void {
    this.#failures = 0;
    this.#trouble = undefined;
    this.#heardMs = this.#nowMs;
  }

  #troubled(problem: string): void {
    this.#trouble = { sinceMs: this.#trouble?.sinceMs ?? this.#nowMs, problem };
  }

  #giveUpWaiting(chance: number): void {
    const { patienceMs } = this.#settings;
    for (const [request, { sentMs }] of this.#asked)
      if (sentMs + patienceMs <= this.#nowMs)
        this.#failed(request, `etcd has not answered within ${patienceMs} ms`, chance);
  }

  #act(): void {
    const { renewMs, lookMs, ttlMs } = this.#settings;
    if (!this.#watching && this.#watchAtMs <= this.#nowMs) {
      this.#watching = true;
      this.#commands.push({ kind: 'watch' });
    }
    if (this.#lookAtMs <= this.#nowMs) {
      this.#lookAtMs = this.#nowMs + lookMs;
      this.#commands.push({ kind: 'look', request: this.#ask('look') });
    }
    const lease = this.#lease;
    if (lease && lease.renewAtMs <= this.#nowMs) {
      lease.renewAtMs = this.#nowMs + renewMs;
      this.#commands.push({ kind: 'keepAlive', request: this.#ask('keepAlive'), lease: lease.id });
    }
    if (!this.#mayCampaign() || this.#campaignAtMs > this.#nowMs) return;
    if (lease) {
      this.#stoodUnder = lease.id;
      this.#commands.push({ kind: 'campaign', request: this.#ask('campaign'), lease: lease.id });
    } else this.#commands.push({ kind: 'lease', request: this.#ask('lease'), ttlMs });
  }

  /** Nobody has the key as far as is known, and that it has been asked for is not under way. */
  #mayCampaign(): boolean {
    if (!this.#stands || this.#resigned) return false;
    if (this.#term !== undefined || this.#revision < 0 || this.#holder) return false;
    for (const { kind } of this.#asked.values()) if (kind === 'lease' || kind === 'campaign') return false;
    return true;
  }

  #ask(kind: Asked['kind']): RequestId {
    const request = ++this.#requests;
    this.#asked.set(request, { kind, sentMs: this.#nowMs });
    return request;
  }

  #pauseMs(chance: number): number {
    const { firstMs, mostMs } = this.#settings.backOff;
    const wholeMs = Math.min(mostMs, firstMs * 2 ** Math.min(this.#failures, 16));
    return wholeMs * (0.5 + chance / 2);
  }
}
