/**
 * What a session is doing and has done, as its node wrote it (`activity` in the metadata namespace `sluice`; the writer is
 * filters/core/src/tally.rs). All numbers count from the session's beginning.
 */

export const activityStates = [
  'login',
  'idle',
  'active',
  'transaction',
  'failed',
  /** The node could not follow the session, and counts no more of it. */
  'unfollowed',
] as const;

export type ActivityState = (typeof activityStates)[number];

/** Upper bounds of the histogram's buckets in seconds; one more bucket has none. The node has the same list. */
export const transactionTimeBounds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60,
] as const;

export interface Activity {
  readonly state: ActivityState;
  /** Since when, in milliseconds of the node's monotonic clock. */
  readonly sinceMs: number;
  readonly counts: ActivityCounts;
}

export interface ActivityCounts {
  readonly transactions: number;
  readonly queries: number;
  readonly errors: number;
  /** Time in transactions that are over. */
  readonly transactionUs: number;
  /** Time in which the server had the word. */
  readonly queryUs: number;
  /** Transactions by bucket, each for itself; as long as the last that is not 0. */
  readonly histogram: readonly number[];
}

/** No line of a session that lives for years is longer. */
const maxLength = 512;

/** @returns undefined for what no node of ours wrote. */
export function parseActivity(line: unknown): Activity | undefined {
  if (typeof line !== 'string' || line.length > maxLength) return undefined;
  const [state, since, transactions, queries, errors, transactionUs, queryUs, buckets, ...more] =
    line.split(' ');
  const known = activityStates.find((each) => each === state);
  const numbers = [since, transactions, queries, errors, transactionUs, queryUs].map(wholeNumber);
  const histogram = buckets === '' ? [] : (buckets?.split(',') ?? ['']).map(wholeNumber);
  const isWhole = [...numbers, ...histogram].every((each) => each !== undefined);
  if (!known || !isWhole || more.length > 0 || histogram.length > transactionTimeBounds.length + 1)
    return undefined;
  const [sinceMs, ...counts] = numbers as number[];
  return {
    state: known,
    sinceMs: sinceMs!,
    counts: {
      transactions: counts[0]!,
      queries: counts[1]!,
      errors: counts[2]!,
      transactionUs: counts[3]!,
      queryUs: counts[4]!,
      histogram: histogram as number[],
    },
  };
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** What has come to `before`; undefined when something has gone from it, which no session's counts do. */
export function added(before: ActivityCounts, after: ActivityCounts): ActivityCounts | undefined {
  const histogram = after.histogram.map((count, bucket) => count - (before.histogram[bucket] ?? 0));
  const more = {
    transactions: after.transactions - before.transactions,
    queries: after.queries - before.queries,
    errors: after.errors - before.errors,
    transactionUs: after.transactionUs - before.transactionUs,
    queryUs: after.queryUs - before.queryUs,
    histogram,
  };
  const { histogram: _, ...numbers } = more;
  const grows =
    [...Object.values(numbers), ...histogram].every((count) => count >= 0) &&
    before.histogram.length <= after.histogram.length;
  return grows ? more : undefined;
}

export const noCounts: ActivityCounts = {
  transactions: 0,
  queries: 0,
  errors: 0,
  transactionUs: 0,
  queryUs: 0,
  histogram: [],
};
