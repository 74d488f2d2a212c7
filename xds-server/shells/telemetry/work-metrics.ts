/**
 * What sessions do, by service: counted on the nodes, reported as sums, added up here. Labels as in metrics.ts, which
 * decides whose they are.
 */
import { Counter, type MetricObjectWithValues, type MetricValue, type Registry } from 'prom-client';
import { type ActivityCounts, transactionTimeBounds } from '../../pure/activity/activity.js';
import { kindOfLoginError, loginErrors } from '../../pure/activity/login-error.js';

/** The limits of a session and of its login, in the words of the filters. */
export const sessionLimits = [
  'idle_session',
  'idle_transaction',
  'max_age',
  'surplus',
  'login_deadline',
] as const;

type Labels = Readonly<Record<string, string>>;

export class WorkMetrics {
  readonly #times: TransactionTimes;
  readonly #transactions: Counter;
  readonly #queries: Counter;
  readonly #errors: Counter;
  readonly #queryTime: Counter;
  readonly #logins: Counter;
  readonly #cut: Counter;

  constructor(registry: Registry, labelNames: readonly string[]) {
    const counter = (name: string, help: string, more: readonly string[] = []): Counter =>
      new Counter({ name, help, labelNames: [...labelNames, ...more], registers: [registry] });
    this.#times = new TransactionTimes(registry);
    this.#transactions = counter('sluice_transactions_total', 'Transactions that sessions have ended.');
    this.#queries = counter('sluice_queries_total', 'Statements that clients have sent.');
    this.#errors = counter('sluice_query_errors_total', 'Errors that servers have answered with.');
    this.#queryTime = counter(
      'sluice_query_time_seconds_total',
      'Time for which sessions waited for their server.',
    );
    this.#logins = counter('sluice_logins_failed_total', 'Clients that a server turned away, by reason.', [
      'reason',
    ]);
    this.#cut = counter('sluice_sessions_cut_total', 'Sessions that were ended by a limit of theirs.', [
      'limit',
    ]);
  }

  worked(labels: Labels, counts: ActivityCounts): void {
    this.#transactions.inc({ ...labels }, counts.transactions);
    this.#queries.inc({ ...labels }, counts.queries);
    this.#errors.inc({ ...labels }, counts.errors);
    this.#queryTime.inc({ ...labels }, counts.queryUs / 1e6);
    this.#times.add(labels, counts);
  }

  loginFailed(labels: Labels, error: string): void {
    this.#logins.inc({ ...labels, reason: kindOfLoginError(error) });
  }

  cut(labels: Labels, limit: string): void {
    if (sessionLimits.some((each) => each === limit)) this.#cut.inc({ ...labels, limit });
  }

  forget(labels: Labels): void {
    for (const counter of [this.#transactions, this.#queries, this.#errors, this.#queryTime])
      counter.remove({ ...labels });
    for (const reason of loginErrors) this.#logins.remove({ ...labels, reason });
    for (const limit of sessionLimits) this.#cut.remove({ ...labels, limit });
    this.#times.forget(labels);
  }
}

interface Series {
  readonly labels: Labels;
  readonly buckets: number[];
  seconds: number;
}

/** A histogram whose observations come counted: prom-client's own takes them one by one. */
class TransactionTimes {
  readonly name = 'sluice_transaction_time_seconds';
  readonly help = 'From a transaction’s first statement to its end.';
  readonly type = 'histogram';
  readonly #series = new Map<string, Series>();

  constructor(registry: Registry) {
    // What a registry asks of a metric is its name and `get`.
    registry.registerMetric(this as unknown as Counter);
  }

  add(labels: Labels, { histogram, transactionUs }: ActivityCounts): void {
    const key = keyOf(labels);
    let series = this.#series.get(key);
    if (!series) {
      series = { labels, buckets: Array(transactionTimeBounds.length + 1).fill(0), seconds: 0 };
      this.#series.set(key, series);
    }
    for (const [bucket, count] of histogram.entries()) series.buckets[bucket]! += count;
    series.seconds += transactionUs / 1e6;
  }

  forget(labels: Labels): void {
    this.#series.delete(keyOf(labels));
  }

  async get(): Promise<MetricObjectWithValues<MetricValue<string>>> {
    const values = [...this.#series.values()].flatMap((series) => this.#valuesOf(series));
    const { name, help, type } = this;
    return { name, help, type, values, aggregator: 'sum' } as unknown as MetricObjectWithValues<
      MetricValue<string>
    >;
  }

  reset(): void {
    this.#series.clear();
  }

  #valuesOf({ labels, buckets, seconds }: Series): object[] {
    let sum = 0;
    const bounds = [...transactionTimeBounds, '+Inf'];
    const lines = bounds.map((le, bucket) => {
      sum += buckets[bucket]!;
      return { metricName: `${this.name}_bucket`, labels: { le, ...labels }, value: sum };
    });
    return [
      ...lines,
      { metricName: `${this.name}_sum`, labels, value: seconds },
      { metricName: `${this.name}_count`, labels, value: sum },
    ];
  }
}

const keyOf = (labels: Labels): string => JSON.stringify(Object.values(labels));
