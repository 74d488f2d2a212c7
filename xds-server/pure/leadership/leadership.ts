/**
 * Who decides. All live brains serve nodes; one of them, the leader, has the ledger. This is what the others of its own
 * process are told about it; how it comes about is in election.ts.
 */

/** Grows with each new leader: etcd's create revision of the leader's key. 0 where there is one brain only. */
export type Term = number;

export type Leadership =
  /**
   * This brain decides. Past `untilMs` (its own monotonic clock) it gives nothing and keeps what it has: the same term may
   * be lengthened, and then nobody else has led meanwhile, or is lost.
   */
  | { readonly kind: 'leader'; readonly term: Term; readonly untilMs: number }
  /** Another one does, as far as is known here: `address` is where brains dial it. */
  | { readonly kind: 'follower'; readonly term: Term; readonly brain: string; readonly address: string }
  /** None is known. Nobody is refused for that: checks are held. */
  | { readonly kind: 'nobody' };

/** A leader for as long as it runs: the only brain there is. */
export const alone: Leadership = { kind: 'leader', term: 0, untilMs: Number.POSITIVE_INFINITY };

export interface LeadershipSource {
  readonly leadership: Leadership;
  /**
   * Called after each change, also when the same term is lengthened (several times in each).
   *
   * @returns how to stop listening
   */
  subscribe(listener: (leadership: Leadership) => void): () => void;
}
