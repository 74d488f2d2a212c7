/**
 * The last word of each session about itself, and what it adds to the one before. A report may come twice, late, or
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
  readonly isEnd: boolean;
}

/** What a session does, seen from the time of asking. */
export interface ActivityView {
  readonly state: ActivityState;
  readonly forMs: number | undefined;
  readonly counts: ActivityCounts;
}

/** The line alone, as it is a fifth of what is read from it. */
interface Known {
  readonly line: string;
  /** On the brain's clock: the state's beginning; undefined where the node's clock is not known. */
  readonly sinceMs: number | undefined;
}

/** Some 300 bytes each. */
const maxSessions = 100_000;
/** Sessions that have ended, so that a late report is known for what it is. */
const maxEnded = 20_000;

export class ActivityBook {
  readonly #startedMs: number;
  readonly #known = new Map<string, Known>();
  readonly #ended = new Set<string>();

  /** @param startedMs the brain's clock now: what older sessions did before is not counted */
  constructor(startedMs: number) {
    this.#startedMs = startedMs;
  }

  /** @returns what is new; undefined when nothing is. */
  take(report: ActivityReport, nowMs: number): ActivityCounts | undefined {
    const { connection, line, isEnd } = report;
    if (this.#ended.has(connection)) return undefined;
    const known = this.#known.get(connection);
    // The most frequent of all reports is one without news.
    const news = known?.line === line ? undefined : this.#news(report, known, nowMs);
    if (isEnd) this.#end(connection);
    return news;
  }

  view(connection: string, nowMs: number): ActivityView | undefined {
    const known = this.#known.get(connection);
    const activity = parseActivity(known?.line);
    if (!known || !activity) return undefined;
    const { sinceMs } = known;
    const forMs = sinceMs === undefined ? undefined : Math.max(0, nowMs - sinceMs);
    return { state: activity.state, forMs, counts: activity.counts };
  }

  #news(report: ActivityReport, known: Known | undefined, nowMs: number): ActivityCounts | undefined {
    const activity = parseActivity(report.line);
    if (!activity) return undefined;
    // Reports that overtook each other: the older one has nothing to say.
    const last = parseActivity(known?.line);
    if (last && activity.sinceMs < last.sinceMs) return undefined;
    const isOlderThanThis = nowMs - report.ageMs < this.#startedMs;
    const before = last?.counts ?? (isOlderThanThis ? activity.counts : noCounts);
    const more = added(before, activity.counts);
    // Not one session's counts: whatever it is, it is not believed.
    if (!more) return undefined;
    this.#known.delete(report.connection);
    this.#known.set(report.connection, { line: report.line as string, sinceMs: sinceOf() });
    if (this.#known.size > maxSessions) this.#known.delete(this.#known.keys().next().value!);
    return more.queries + more.transactions + more.errors > 0 ? more : undefined;

    function sinceOf(): number | undefined {
      if (report.bornMonotonicMs === undefined) return undefined;
      const nodeNowMs = report.bornMonotonicMs + report.ageMs;
      return nowMs - Math.max(0, nodeNowMs - activity!.sinceMs);
    }
  }

  #end(connection: string): void {
    this.#known.delete(connection);
    this.#ended.add(connection);
    if (this.#ended.size > maxEnded) this.#ended.delete(this.#ended.values().next().value!);
  }
}
