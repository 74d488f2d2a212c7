/**
 * The observers of all targets of the plan: started with a target, stopped with it, and started anew only when what
 * they ask or how they log in has changed.
 */
import type { Logger } from 'pino';
import type { LedgerEvent } from '../../pure/ledger/events.js';
import { formatAddress } from '../../pure/plan/address.js';
import type { Plan, TargetName, TargetPlan } from '../../pure/plan/plan.js';
import type { Login } from './link.js';
import { connectMysql } from './mysql-link.js';
import { connectPostgres } from './postgres-link.js';
import { TargetObserver } from './target-observer.js';

export interface ObserversOptions {
  readonly now: () => number;
  readonly tell: (event: LedgerEvent) => void;
  readonly log: Logger;
}

/** What is known of a target's servers. */
export interface ObserverView {
  /** On the monotonic clock; undefined before the first session list. */
  readonly answeredMs: number | undefined;
  /** Why the last question had no answer; undefined when it had, or none was asked yet. */
  readonly problem: string | undefined;
  /** Sessions that the smallest server gives to ordinary accounts; undefined before it was asked. */
  readonly serverCapacity: number | undefined;
}

interface Observed {
  readonly observer: TargetObserver;
  /** By server. */
  readonly capacities: ReadonlyMap<string, number>;
  /** Equal as long as the same servers are asked by the same account. */
  readonly servers: string;
  readonly password: string;
}

export class Observers {
  readonly #options: ObserversOptions;
  readonly #observed = new Map<TargetName, Observed>();

  constructor(options: ObserversOptions) {
    this.#options = options;
  }

  /** @param passwords by database; called at each login */
  follow(plan: Plan, passwords: ReadonlyMap<string, { reveal(): string }>): void {
    for (const [name, { observer }] of this.#observed) {
      if (plan.targets.has(name)) continue;
      observer.stop();
      this.#observed.delete(name);
    }
    for (const target of plan.targets.values()) {
      const account = plan.observers.get(target.database);
      const password = passwords.get(target.database);
      if (!account || !password) throw new Error(`target ${target.name}: expected an observer, found none`);
      this.#observe(target, { user: account.user, password: () => password.reveal() });
    }
  }

  /** A slot of this target waits for the database's word. */
  soon(target: TargetName): void {
    this.#observed.get(target)?.observer.soon();
  }

  isDown(target: TargetName): boolean {
    return this.#observed.get(target)?.observer.isDown ?? false;
  }

  /** Undefined for a target that is not in the plan. */
  view(target: TargetName): ObserverView | undefined {
    const observed = this.#observed.get(target);
    if (!observed) return undefined;
    const { answeredMs, problem } = observed.observer;
    const capacities = [...observed.capacities.values()];
    return {
      answeredMs,
      problem,
      serverCapacity: capacities.length > 0 ? Math.min(...capacities) : undefined,
    };
  }

  stop(): void {
    for (const { observer } of this.#observed.values()) observer.stop();
    this.#observed.clear();
  }

  #observe(target: TargetPlan, login: Login): void {
    const servers = JSON.stringify([target.engine, target.endpoints, target.proxyProtocol, login.user]);
    const password = login.password();
    const before = this.#observed.get(target.name);
    if (before?.servers === servers && before.password === password) {
      for (const [server, capacity] of before.capacities) this.#compare(target, server, capacity);
      return;
    }
    before?.observer.stop();
    const capacities = new Map<string, number>();
    const observer = this.#start(target, login, capacities);
    this.#observed.set(target.name, { observer, capacities, servers, password });
  }

  #start(target: TargetPlan, login: Login, capacities: Map<string, number>): TargetObserver {
    const { now, log } = this.#options;
    const of = { target: target.name };
    let problem: string | undefined;
    return new TargetObserver({
      target,
      login,
      now,
      connect: target.engine === 'postgres' ? connectPostgres : connectMysql,
      tell: (event) => {
        const found = event.kind === 'unobserved' ? event.problem : undefined;
        // Said once, not once a second.
        if (found !== problem && found !== undefined)
          log.warn({ ...of, problem: found }, 'the observer cannot see the sessions of a target');
        else if (found !== problem) log.info(of, 'the observer sees the sessions of a target again');
        problem = found;
        this.#options.tell(event);
      },
      connected: (endpoint, { version, capacity }) => {
        const server = formatAddress(endpoint);
        capacities.set(server, capacity);
        log.info({ ...of, server, version, capacity }, 'the observer is connected');
        this.#compare(target, server, capacity);
      },
    });
  }

  #compare(target: TargetPlan, server: string, capacity: number): void {
    const wanted = target.budget + target.reserve;
    if (capacity < wanted)
      this.#options.log.warn(
        { target: target.name, server, capacity, wanted },
        'a server gives fewer sessions than the spec says: it may refuse clients with "too many connections"',
      );
  }
}
