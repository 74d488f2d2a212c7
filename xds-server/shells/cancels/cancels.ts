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
import { type Server, serverOf } from '../../pure/cancel/server-of.js';
import type { KnownSession, SessionDirectory } from '../../pure/cancel/session-directory.js';
import { TokenBuckets } from '../../pure/cancel/token-buckets.js';
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
/** A session, right keys and wrong ones from everywhere: 4 bytes last for decades. */
const perSession = { burst: 10, perSecond: 2 } as const;
const maxBuckets = 20_000;
/** Requests under way, those that wait for a report included. */
const maxAtOnce = 1000;
export class Cancels {
  readonly #options: CancelsOptions;
  readonly #addresses = new TokenBuckets(perAddress, maxBuckets);
  readonly #sessions = new TokenBuckets(perSession, maxBuckets);
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
    const meant = server === undefined ? undefined : serverOf(server, plan());
    if (!meant) return 'unreachable';
    return (await send(meant, request.pid, request.secret)) ? 'sent' : 'unreachable';
  }

  /** A session's key comes with its second report: a request for one that is not known yet waits as long as that takes. */
  async #find(request: CancelRequest): Promise<KnownSession | CancelOutcome> {
    const { now, directory, reportIntervalMs } = this.#options;
    const untilMs = now() + nextReport.withinMs(reportIntervalMs);
    /** Digests that were compared: once each, so that waiting costs a session nothing. */
    const compared = new Set<string>();
    let outcome: CancelOutcome = 'unknown_session';
    for (;;) {
      for (const session of directory.byServerId(request.pid)) {
        const { connection, cancelDigest } = session;
        if (cancelDigest === undefined || compared.has(cancelDigest)) continue;
        if (!this.#sessions.take(connection, now())) return 'rate_limited';
        compared.add(cancelDigest);
        if (isKeyOf(session, cancelDigest, request)) return session;
        outcome = 'wrong_key';
      }
      if (now() >= untilMs) return outcome;
      await nextReport.pause();
    }
  }
}

function isKeyOf({ connection }: KnownSession, digest: string, { pid, secret }: CancelRequest): boolean {
  const id = Buffer.alloc(4);
  id.writeUInt32BE(pid);
  const own = createHash('sha256').update(connection).update(id).update(secret).digest().subarray(0, 16);
  const known = Buffer.from(digest, 'hex');
  return known.length === own.length && timingSafeEqual(known, own);
}
