/**
 * Carries out Postgres' CancelRequests: whose session is meant, whether the secret is its own, whether it is asked too
 * often. The server looks at the secret once more. Whoever asks is told nothing, whatever comes of it.
 *
 *   request ─▶ asked too often? ─▶ session with this key? ─ not yet: one report long ─▶ its own service's name? ─▶ sent
 *                    └──────────────────┴──────────────────────────────────────────────────────┴─▶ counted, dropped
 *
 * It takes no slot: the server counts no such connection against max_connections.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { CancelRequest } from '../../pure/cancel/cancel-request.js';
import { isNamed, type Server, serversOf, standsFor } from '../../pure/cancel/server-of.js';
import type { KnownSession, SessionDirectory } from '../../pure/cancel/session-directory.js';
import { TokenBuckets } from '../../pure/cancel/token-buckets.js';
import type { ConnectionId } from '../../pure/ledger/events.js';
import { serviceOf } from '../../pure/plan/hostnames.js';
import type { Plan } from '../../pure/plan/plan.js';
import { sourceOf } from '../../pure/verdict/network.js';
import { nextReport } from './next-report.js';

/** What became of a request; the label of `sluice_cancels_total`. */
export const cancelOutcomes = [
  'sent',
  'wrong_key',
  'wrong_service',
  'unknown_session',
  'rate_limited',
  'unreachable',
] as const;
export type CancelOutcome = (typeof cancelOutcomes)[number];

export interface CancelsOptions {
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly plan: () => Plan;
  readonly directory: SessionDirectory;
  /** That a name of the plan has; none where nobody knows. */
  readonly addressesOf: (name: string) => Promise<readonly string[]>;
  /** @returns whether the server has taken it. */
  readonly send: (server: Server, pid: number, secret: Uint8Array) => Promise<boolean>;
  readonly counted: (outcome: CancelOutcome) => void;
  /** The longest time from a session's login to its first report. */
  readonly reportIntervalMs: number;
}

/** An address: a node full of clients whose statements all time out at once has room; somebody who guesses has not. */
const perAddress = { burst: 100, perSecond: 20 } as const;
/** Wrong keys: then two guesses a second from one address. */
const guessFine = 9;
/** A session, right keys and different wrong ones from everywhere: 4 bytes last for decades. */
const perSession = { burst: 10, perSecond: 2 } as const;
const maxBuckets = 20_000;
/** Wrong keys that are remembered; one that is forgotten costs its session another token. */
const maxTried = 20_000;
/** All names together; a plan may have many with one port. */
const lookupsMs = 2_000;
/** Requests under way, those that wait for a report included. */
const maxAtOnce = 1000;

export class Cancels {
  readonly #options: CancelsOptions;
  readonly #addresses = new TokenBuckets(perAddress, maxBuckets);
  readonly #sessions = new TokenBuckets(perSession, maxBuckets);
  /** By what a session would be recognised, if that were its key: the oldest first. */
  readonly #tried = new Set<string>();
  #underWay = 0;

  constructor(options: CancelsOptions) {
    this.#options = options;
  }

  /** Resolves when the server has taken the request, or it was dropped. */
  async request(request: CancelRequest): Promise<void> {
    this.#underWay += 1;
    try {
      this.#options.counted(await this.#carryOut(request));
    } finally {
      this.#underWay -= 1;
    }
  }

  async #carryOut(request: CancelRequest): Promise<CancelOutcome> {
    const { now, plan, send } = this.#options;
    const from = sourceOf(request.address);
    if (this.#underWay > maxAtOnce || !this.#addresses.take(from, now())) return 'rate_limited';
    const found = await this.#find(request);
    if (typeof found === 'string') {
      if (found !== 'rate_limited') this.#addresses.fine(from, guessFine, now());
      return found;
    }
    const { service, server } = found;
    if (request.serverName && serviceOf(plan().hostnames, request.serverName) !== service)
      return 'wrong_service';
    const meant = server === undefined ? undefined : await this.#serverAt(server, service);
    if (!meant) return 'unreachable';
    return (await send(meant, request.pid, request.secret)) ? 'sent' : 'unreachable';
  }

  /** A name is a server of the plan only where it has the very address: a node may have made that up. */
  async #serverAt(address: string, service: string): Promise<Server | undefined> {
    const { now, plan, addressesOf } = this.#options;
    const untilMs = now() + lookupsMs;
    for (const server of serversOf(address, service, plan())) {
      if (!isNamed(server)) return server;
      if (now() >= untilMs) return undefined;
      if (standsFor(await addressesOf(server.endpoint.host), server)) return server;
    }
    return undefined;
  }

  /**
   * A session's key is told soon behind its login, or with its second report: a request for one that is not known yet waits as
   * long as that takes.
   *
   * Sessions of several servers may have the number, and each is asked for a token of its own before its key is compared;
   * one that has none is left out, and the others are not. So no key is tried at a session oftener than its rate allows,
   * also none that is another session's: whoever has many of those may have made them up. Only a wrong key that was
   * tried there before costs nothing, as nothing is learnt from it: who stops his own session again and again takes one
   * token from each of the others.
   */
  async #find(request: CancelRequest): Promise<KnownSession | CancelOutcome> {
    const { now, directory, reportIntervalMs } = this.#options;
    const untilMs = now() + nextReport.withinMs(reportIntervalMs);
    /** Sessions whose key was compared or that were left out: once each, so that waiting costs them nothing. */
    const seen = new Set<string>();
    let outcome: CancelOutcome = 'unknown_session';
    for (;;) {
      for (const session of directory.byServerId(request.pid)) {
        const { connection, cancelDigest } = session;
        if (cancelDigest === undefined || seen.has(connection)) continue;
        seen.add(connection);
        const tried = this.#try(session, cancelDigest, request);
        if (tried === 'right_key') return session;
        if (outcome !== 'rate_limited') outcome = tried;
      }
      if (now() >= untilMs) return outcome;
      await nextReport.pause();
    }
  }

  #try(
    { connection }: KnownSession,
    digest: string,
    request: CancelRequest,
  ): 'right_key' | 'wrong_key' | 'rate_limited' {
    const own = digestOf(connection, request);
    const name = own.toString('hex');
    if (this.#tried.has(name)) return 'wrong_key';
    if (!this.#sessions.take(connection, this.#options.now())) return 'rate_limited';
    const known = Buffer.from(digest, 'hex');
    if (known.length === own.length && timingSafeEqual(known, own)) return 'right_key';
    if (this.#tried.size >= maxTried) this.#tried.delete(this.#tried.keys().next().value!);
    this.#tried.add(name);
    return 'wrong_key';
  }
}

/** filters/core/src/postgres/cancel.rs */
function digestOf(connection: ConnectionId, { pid, secret }: CancelRequest): Buffer {
  const id = Buffer.alloc(4);
  id.writeUInt32BE(pid);
  return createHash('sha256').update(connection).update(id).update(secret).digest().subarray(0, 16);
}
