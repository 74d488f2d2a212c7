/**
 * Gives the election the time and the word of etcd, carries out what it commands, and tells the rest of the brain who
 * leads. It decides nothing.
 *
 * What can wake it:
 *
 *   etcd    a command was answered, or was not; the key has changed; the watch has ended
 *   timer   the election's own next deadline has come
 *   wiring  this brain gives leadership up
 */
import type { Logger } from 'pino';
import { Election } from '../../pure/leadership/election.js';
import type { ElectionCommand, ElectionEvent } from '../../pure/leadership/events.js';
import type { Leadership, LeadershipSource } from '../../pure/leadership/leadership.js';
import { defaultElection, type ElectionSettings } from '../../pure/leadership/settings.js';
import type { EtcdClient } from '../etcd/etcd-client.js';
import { ElectionLog } from './election-log.js';
import { LeaderKey } from './leader-key.js';

export interface ElectionOptions {
  readonly etcd: EtcdClient;
  /** Before the names of all keys of these brains, `/sluice`. */
  readonly prefix: string;
  /** Unique among all brains of this etcd. */
  readonly brain: string;
  /** `host:port` where other brains dial this one. */
  readonly address: string;
  /** Whether it may lead from the start; otherwise from `stand` on. */
  readonly stands: boolean;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly log: Logger;
  readonly settings?: ElectionSettings;
}

/** Why etcd cannot be asked. */
export interface EtcdTrouble {
  readonly forMs: number;
  readonly problem: string;
}

export class ElectionLoop implements LeadershipSource {
  readonly #options: ElectionOptions;
  readonly #settings: ElectionSettings;
  readonly #election: Election;
  readonly #key: LeaderKey;
  readonly #listeners = new Set<(leadership: Leadership) => void>();
  #told: Leadership = { kind: 'nobody' };
  readonly #log: ElectionLog;
  #timer: NodeJS.Timeout | undefined;
  #revoking: Promise<void> = Promise.resolve();
  #stopped = false;

  /** Begins at once. */
  constructor(options: ElectionOptions) {
    const { etcd, prefix, brain, address, stands, log, settings = defaultElection } = options;
    this.#options = options;
    this.#settings = settings;
    this.#election = new Election(brain, settings, stands);
    this.#log = new ElectionLog(log, brain);
    this.#key = new LeaderKey(etcd, prefix, { brain, address });
    this.#apply({ kind: 'tick' });
  }

  get leadership(): Leadership {
    return this.#told;
  }

  /** Undefined while etcd answers. */
  get trouble(): EtcdTrouble | undefined {
    const { trouble } = this.#election;
    return trouble && { forMs: this.#options.now() - trouble.sinceMs, problem: trouble.problem };
  }

  /** Where another process is dialled that leads under the id of this brain; undefined: none does. */
  get namesake(): string | undefined {
    return this.#election.namesake?.address;
  }

  subscribe(listener: (leadership: Leadership) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** This brain has what it needs to lead. */
  stand(): void {
    this.#apply({ kind: 'stand' });
  }

  /**
   * This brain will not lead again. What it has granted must have run out: the next leader may begin before this resolves,
   * which is when etcd has let the lease go or was given up.
   */
  async resign(): Promise<void> {
    this.#apply({ kind: 'resign' });
    await this.#revoking;
  }

  /** Whatever this brain has in etcd runs out by itself. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#listeners.clear();
    this.#key.stop();
  }

  #apply(event: ElectionEvent): void {
    if (this.#stopped) return;
    const commands = this.#election.apply(event, this.#options.now(), Math.random());
    for (const command of commands) this.#carryOut(command);
    this.#tell();
    this.#log.say(this.#election, this.#options.now());
    this.#arm();
  }

  #carryOut(command: ElectionCommand): void {
    const { patienceMs } = this.#settings;
    if (command.kind === 'watch')
      this.#key.watch(patienceMs, {
        seen: (seen) => this.#apply({ kind: 'seen', ...seen }),
        ended: (problem) => this.#apply({ kind: 'unwatched', problem }),
      });
    else if (command.kind === 'revoke')
      // One that is not revoked runs out.
      this.#revoking = this.#key.revoke(command.lease, patienceMs).catch(() => undefined);
    else void this.#ask(command);
  }

  async #ask(command: Exclude<ElectionCommand, { kind: 'watch' | 'revoke' }>): Promise<void> {
    // An answer that came at once would be taken in the middle of the step that asks.
    await undefined;
    const { request } = command;
    let event: ElectionEvent;
    try {
      event = await this.#answerTo(command);
    } catch (error) {
      event = { kind: 'failed', request, problem: (error as Error).message };
    }
    this.#apply(event);
  }

  async #answerTo(command: Exclude<ElectionCommand, { kind: 'watch' | 'revoke' }>): Promise<ElectionEvent> {
    const { patienceMs } = this.#settings;
    const { request } = command;
    if (command.kind === 'look') return { kind: 'seen', request, ...(await this.#key.look(patienceMs)) };
    if (command.kind === 'campaign')
      return { kind: 'campaigned', request, ...(await this.#key.make(command.lease, patienceMs)) };
    if (command.kind === 'lease') {
      const { id, ttlMs } = await this.#options.etcd.leaseGrant(command.ttlMs, patienceMs);
      return { kind: 'leased', request, lease: id, ttlMs };
    }
    const ttlMs = await this.#options.etcd.leaseKeepAlive(command.lease, patienceMs);
    return { kind: 'kept', request, ttlMs: ttlMs ?? 0 };
  }

  #tell(): void {
    const { leadership } = this.#election;
    if (isSame(leadership, this.#told)) return;
    this.#told = leadership;
    for (const listener of this.#listeners) listener(leadership);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const inMs = Math.max(0, Math.ceil(this.#election.nextDeadlineMs() - this.#options.now()));
    this.#timer = setTimeout(() => this.#apply({ kind: 'tick' }), inMs);
    this.#timer.unref();
  }
}

function isSame(one: Leadership, other: Leadership): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
