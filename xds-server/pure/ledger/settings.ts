/** How long things may take between a client, its node, the brain and the database. What follows is in ledger.ts. */
export interface LedgerSettings {
  /** A node acts on a grant for this long, counted on its own monotonic clock from no later than the grant. */
  readonly grantTtlMs: number;
  /** A node gives up connecting to a server after this long (`connect_timeout` of the clusters, or longer). */
  readonly connectTimeoutMs: number;
  /** A node reports each open connection at once, and then this often. */
  readonly reportIntervalMs: number;
  /** From a thing's happening on a node or server until the brain can know of it, at the worst. */
  readonly marginMs: number;
  /** A session that is not reported for this long is silent; several report intervals. */
  readonly silentAfterMs: number;
  /** A service whose waiters got nothing for this long, while others were served, goes first once. */
  readonly starvationMs: number;
  /** Waiters of one service while its target recovers, where its max_queue is smaller: a bound on memory. */
  readonly recoveryQueue: number;
}

export const defaultSettings: LedgerSettings = {
  grantTtlMs: 1_000,
  connectTimeoutMs: 2_000,
  reportIntervalMs: 2_000,
  marginMs: 500,
  silentAfterMs: 7_000,
  starvationMs: 5_000,
  recoveryQueue: 10_000,
};

/** From a grant until nothing can be opened by it any more without the brain's having been told. */
export function confirmationMs(settings: LedgerSettings): number {
  return settings.grantTtlMs + settings.connectTimeoutMs + settings.marginMs;
}

/**
 * From the start of a ledger until its nodes have told it of every connection there is: the last grant of the ledger
 * before it has been acted on or has run out, and each older connection has been reported once.
 */
export function recoveryMs(settings: LedgerSettings): number {
  const { grantTtlMs, connectTimeoutMs, reportIntervalMs, marginMs } = settings;
  return grantTtlMs + Math.max(connectTimeoutMs, reportIntervalMs) + marginMs;
}
