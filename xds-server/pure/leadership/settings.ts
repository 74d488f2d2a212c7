export interface ElectionSettings {
  /** Asked of etcd, in whole seconds; etcd has a least of its own and says what it gave. */
  readonly ttlMs: number;
  /** Between two renewals of a lease, whether the one before was answered or not. */
  readonly renewMs: number;
  /** Between two looks at the key by a brain that does not lead: a watch that says nothing may be lost. */
  readonly lookMs: number;
  /**
   * An answer that takes longer is not waited for. In the life of a term there is time for three members of etcd to be
   * asked, one of which stands still.
   */
  readonly patienceMs: number;
  /**
   * By how much of a lease's life two clocks may part during it. A term is shorter than its lease by this much: etcd's
   * clock may be the fast one and this brain's the slow one. chrony turns a clock by up to 1/12 of its rate when it has
   * much to make up for (maxslewrate), two of them against each other by up to 0.154.
   */
  readonly drift: number;
  /** Pause after a failure; each further one twice as long. */
  readonly backOff: { readonly firstMs: number; readonly mostMs: number };
}

export const defaultElection: ElectionSettings = {
  ttlMs: 2_000,
  renewMs: 500,
  lookMs: 1_000,
  patienceMs: 500,
  drift: 0.2,
  backOff: { firstMs: 50, mostMs: 1_000 },
};
