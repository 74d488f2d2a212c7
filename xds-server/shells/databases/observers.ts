/**
 * The observers of all targets of the plan: started with a target, stopped with it, and started anew only when what
 * they ask or how they log in has changed.
 */
import type { Logger } from 'pino';
import type { LedgerEvent } from '../../pure/ledger/events.js';
import { formatAddress } from '../../pure/plan/address.js';
import type { Plan, TargetName, TargetPlan, UpstreamTlsPlan } from '../../pure/plan/plan.js';
import type { Approach, LinkTls, Login } from './link.js';
import { connectMysql } from './mysql-link.js';
import { connectPostgres } from './postgres-link.js';
import { TargetObserver } from './target-observer.js';

export interface ObserversOptions {
  readonly now: () => number;
  readonly tell: (event: LedgerEvent) => void;
  /** A server of the target was asked what it is. */
  readonly connected: (target: TargetName) => void;
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
  /** Fingerprints of the certificates that its servers showed, where clients may bind their login to them. */
  readonly certificates: readonly string[];
}

interface Observed {
  readonly observer: TargetObserver;
  readonly approach: Approach;
  /** By server. */
  readonly capacities: ReadonlyMap<string, number>;
  readonly certificates: ReadonlyMap<string, string>;
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

  /**
   * @param passwords by database; called at each login
   * @param files content of the plan's files, by path
   */
  follow(
    plan: Plan,
    passwords: ReadonlyMap<string, { reveal(): string }>,
    files: ReadonlyMap<string, Uint8Array>,
  ): void {
    for (const [name, { observer }] of this.#observed) {
      if (plan.targets.has(name)) continue;
      observer.stop();
      this.#observed.delete(name);
    }
    for (const target of plan.targets.values()) {
      const account = plan.observers.get(target.database);
      const password = passwords.get(target.database);
      if (!account || !password) throw new Error(`target ${target.name}: expected an observer, found none`);
      const login = { user: account.user, password: () => password.reveal() };
      this.#observe(target, login, target.tls && linkTls(target.tls, files));
    }
  }

  /** A slot of this target waits for the database's word, over a connection that is dialled after a certain time or any. */
  soon(target: TargetName, dialledAfterMs?: number): void {
    this.#observed.get(target)?.observer.soon(dialledAfterMs);
  }

  isDown(target: TargetName): boolean {
    return this.#observed.get(target)?.observer.isDown ?? false;
  }

  /** How its servers are spoken to; undefined for a target that is not in the plan. */
  approach(target: TargetName): Approach | undefined {
    return this.#observed.get(target)?.approach;
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
      certificates: [...observed.certificates.values()],
      serverCapacity: capacities.length > 0 ? Math.min(...capacities) : undefined,
    };
  }

  stop(): void {
    for (const { observer } of this.#observed.values()) observer.stop();
    this.#observed.clear();
  }

  #observe(target: TargetPlan, login: Login, tls: LinkTls | undefined): void {
    const ca = tls?.ca && Buffer.from(tls.ca).toString('base64');
    const way = [target.proxyProtocol, { ...tls, ca }];
    const servers = JSON.stringify([target.engine, target.endpoints, way, login.user]);
    const password = login.password();
    const before = this.#observed.get(target.name);
    if (before?.servers === servers && before.password === password) {
      for (const [server, capacity] of before.capacities) this.#compare(target, server, capacity);
      return;
    }
    before?.observer.stop();
    const capacities = new Map<string, number>();
    const certificates = new Map<string, string>();
    const observer = this.#start(target, login, tls, { capacities, certificates });
    const approach = { proxyProtocol: target.proxyProtocol, tls };
    this.#observed.set(target.name, { observer, approach, capacities, certificates, servers, password });
  }

  #start(
    target: TargetPlan,
    login: Login,
    tls: LinkTls | undefined,
    found: { readonly capacities: Map<string, number>; readonly certificates: Map<string, string> },
  ): TargetObserver {
    const { now, log } = this.#options;
    const of = { target: target.name };
    let problem: string | undefined;
    return new TargetObserver({
      target,
      login,
      ...(tls && { tls }),
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
      connected: (endpoint, { version, capacity, certificate }) => {
        const server = formatAddress(endpoint);
        found.capacities.set(server, capacity);
        if (certificate !== undefined) found.certificates.set(server, certificate);
        log.info({ ...of, server, version, capacity }, 'the observer is connected');
        this.#compare(target, server, capacity);
        this.#options.connected(target.name);
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

function linkTls(
  { negotiation, ca, serverName }: UpstreamTlsPlan,
  files: ReadonlyMap<string, Uint8Array>,
): LinkTls {
  const pem = ca === undefined ? undefined : files.get(ca);
  // A CA that is planned and not there must never become "verify nothing".
  if (ca !== undefined && pem === undefined) throw new Error(`expected the content of ${ca}, found none`);
  return {
    negotiation,
    ...(pem && { ca: pem }),
    ...(serverName !== undefined && { serverName }),
  };
}
