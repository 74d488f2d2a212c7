/**
 * The last word of each session about itself, and what it adds to the one before; and whose it is. A report may come twice, late, or
 * behind its session's end; it is counted once. Bounded: of more sessions than that, those that have been silent longest
 * are forgotten, and counted from their next report on.
 */
import { type ActivityCounts, type ActivityState, added, noCounts, parseActivity } from './activity.js';

/** One log entry about a session, as far as it concerns what the session does. */
export interface ActivityReport {
  readonly connection: string;
  /** `activity` of the session filter, as it came. */
  readonly line: unknown;
  /** How long the connection had lived when its node said so. */
  readonly ageMs: number;
  /** The node's monotonic clock at the connection's birth; undefined: not known. */
  readonly bornMonotonicMs: number | undefined;
  readonly client: ClientAddress | undefined;
  readonly isEnd: boolean;
}

/** Where a client is, as its node sees it. */
export interface ClientAddress {
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** What a session does, seen from the time of asking. */
export interface ActivityView {
  readonly state: ActivityState;
  readonly forMs: number | undefined;
  readonly counts: ActivityCounts;
}

interface Known {
  /** The line alone, as it is a fifth of what is read from it; undefined until there is one that says something. */
  line: string | undefined;
  /** On the brain's clock: the state's beginning; undefined where the node's clock is not known. */
  sinceMs: number | undefined;
  /** Of the first report that has it: it does not change. */
  client: ClientAddress | undefined;
}

/** Some 350 bytes each, 70 of them for the client. */
const maxSessions = 100_000;
/**
 * Sessions that have ended, so that a late report is known for what it is; with their clients, as their slots may be
 * closing. At most 200 bytes each.
 */
const maxEnded = 20_000;

export class ActivityBook {
  readonly #startedMs: number;
  readonly #known = new Map<string, Known>();
  readonly #ended = new Map<string, ClientAddress | undefined>();

  /** @param startedMs the brain's clock now: what older sessions did before is not counted */
  constructor(startedMs: number) {
    this.#startedMs = startedMs;
  }

  /** @returns what is new; undefined when nothing is. */
  take(report: ActivityReport, nowMs: number): ActivityCounts | undefined {
    const { connection, line, client, isEnd } = report;
    if (this.#ended.has(connection)) return undefined;
    const known = this.#known.get(connection) ?? this.#begin(connection);
    known.client ??= client;
    // The most frequent of all reports is one without news.
    const news = known.line === line ? undefined : this.#news(report, known, nowMs);
    if (isEnd) this.#end(connection, known);
    return news;
  }

  /** Whose it is, or was until it ended; undefined where no report of it has said so. */
  client(connection: string): ClientAddress | undefined {
    return this.#known.get(connection)?.client ?? this.#ended.get(connection);
  }

  view(connection: string, nowMs: number): ActivityView | undefined {
    const known = this.#known.get(connection);
    const activity = parseActivity(known?.line);
    if (!known || !activity) return undefined;
    const { sinceMs } = known;
    const forMs = sinceMs === undefined ? undefined : Math.max(0, nowMs - sinceMs);
    return { state: activity.state, forMs, counts: activity.counts };
  }

  #begin(connection: string): Known {
    const known = { line: undefined, sinceMs: undefined, client: undefined };
    this.#known.set(connection, known);
    if (this.#known.size > maxSessions) this.#known.delete(this.#known.keys().next().value!);
    return known;
  }

  #news(report: ActivityReport, known: Known, nowMs: number): ActivityCounts | undefined {
    const activity = parseActivity(report.line);
    if (!activity) return undefined;
    // Reports that overtook each other: the older one has nothing to say.
    const last = parseActivity(known.line);
    if (last && activity.sinceMs < last.sinceMs) return undefined;
    const isOlderThanThis = nowMs - report.ageMs < this.#startedMs;
    const before = last?.counts ?? (isOlderThanThis ? activity.counts : noCounts);
    const more = added(before, activity.counts);
    // Not one session's counts: whatever it is, it is not believed.
    if (!more) return undefined;
    known.line = report.line as string;
    known.sinceMs = sinceOf();
    this.#known.delete(report.connection);
    this.#known.set(report.connection, known);
    return more.queries + more.transactions + more.errors > 0 ? more : undefined;

    function sinceOf(): number | undefined {
      if (report.bornMonotonicMs === undefined) return undefined;
      const nodeNowMs = report.bornMonotonicMs + report.ageMs;
      return nowMs - Math.max(0, nodeNowMs - activity!.sinceMs);
    }
  }

  #end(connection: string, { client }: Known): void {
    this.#known.delete(connection);
    this.#ended.set(connection, client);
    if (this.#ended.size > maxEnded) this.#ended.delete(this.#ended.keys().next().value!);
  }
}
