/** How long things may take between a client, its node, the brain and the database. What follows is in ledger.ts. */
export interface LedgerSettings {
  /** A node acts on a grant for this long, counted on its own monotonic clock from no later than the grant. */
  readonly grantTtlMs: number;
  /** Where less than this is left of a term nothing is granted: it would run out on its way. */
  readonly leastTtlMs: number;
  /** For this long after a grant is over its node may still get the connection to the server, and no longer. */
  readonly connectGraceMs: number;
  /** A node reports each open connection at once, and then this often. */
  readonly reportIntervalMs: number;
  /**
   * What ended the ledger before this one. Its last grants are as young as its end, or they ended with its term, which was
   * over before this one could begin.
   */
  readonly follows: 'restart' | 'term';
  /** From a thing's happening on a node or server until the brain can know of it, at the worst. */
  readonly marginMs: number;
  /** From a server's having taken in a connection until it shows it as logging in, at the worst; not its time in a queue. */
  readonly loginStartMs: number;
  /**
   * From a connection's opening until the server has a process for it, which then has the login's time, at the worst: where
   * nobody can be asked for those who log in.
   */
  readonly queueMs: number;
  /** A session that is not reported for this long is silent, where nothing else says so; several report intervals. */
  readonly silentAfterMs: number;
  /** A service whose waiters got nothing for this long, while others were served, goes first once. */
  readonly starvationMs: number;
  readonly logins: LoginSettings;
  /** Waiters of one service while its target recovers, where its max_queue is smaller: a bound on memory. */
  readonly recoveryQueue: number;
}

/** How much somebody may try who has not logged in yet (doors.ts). */
export interface LoginSettings {
  /** Of a service's limit: logins at once of a source of which nothing is known. */
  readonly share: number;
  /** And never fewer than these. */
  readonly least: number;
  /** From the n-th failure in a row on the source waits: this long, then twice as long each time, up to the most. */
  readonly freeFailures: number;
  readonly shutMs: number;
  readonly mostShutMs: number;
  /** After the last login. */
  readonly forgetMs: number;
}

export const defaultSettings: LedgerSettings = {
  grantTtlMs: 700,
  leastTtlMs: 200,
  connectGraceMs: 550,
  reportIntervalMs: 2_000,
  follows: 'restart',
  marginMs: 500,
  loginStartMs: 1_000,
  queueMs: 5_000,
  silentAfterMs: 7_000,
  starvationMs: 5_000,
  recoveryQueue: 10_000,
  logins: {
    share: 0.25,
    least: 2,
    freeFailures: 5,
    shutMs: 250,
    mostShutMs: 30_000,
    forgetMs: 60_000,
  },
};

/** From a grant until nothing can be opened by it any more without the brain's having been told. */
export function confirmationMs(settings: LedgerSettings): number {
  return settings.grantTtlMs + settings.connectGraceMs + settings.marginMs;
}

/**
 * From the start of a ledger until nothing opens any more that it has not granted and does not know of.
 *
 * After a restart: whatever the last grant of the ledger before it could open is open or was given up, and is reported at
 * once; each older connection is reported within an interval.
 *
 * After a term the grants were over before, and the brain that gave them has been silent for most of a term: what they
 * could open is open or was given up. Nodes may not have found another brain yet (`unheardMs`).
 */
export function recoveryMs(settings: LedgerSettings): number {
  const { follows, grantTtlMs, connectGraceMs, reportIntervalMs, marginMs } = settings;
  if (follows === 'term') return connectGraceMs + marginMs;
  return Math.max(grantTtlMs + connectGraceMs, reportIntervalMs) + marginMs;
}

/**
 * From the start of a ledger until all nodes are heard. One whose brain stands still leaves it within a report interval,
 * and has reported each of its connections within another. Until then a session that the database shows and nobody reports
 * is taken for one of Sluice's.
 */
export function unheardMs({ follows, reportIntervalMs, marginMs }: LedgerSettings): number {
  return follows === 'term' ? 2 * reportIntervalMs + marginMs : 0;
}
