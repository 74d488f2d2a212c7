/**
 * What time is it on a node? A grant expires on the node's monotonic clock, and a client's wait began there; but a
 * check that Envoy sends again after a brain died carries the clocks of its first sending, however long ago.
 *
 * Two things are known of each check:
 *
 *   x-envoy-expected-rq-timeout-ms   what is left of the check's time-out when this try was sent. Envoy counts it
 *                                    from the first sending, so the difference is how stale the clocks are.
 *   when it arrived                  a message may lie in a socket while the brain stands still, never arrive early:
 *                                    the smallest of the latest (arrival − sending) is the nearest to the truth.
 *
 * The estimate is late by the smallest transit time and never early, so a grant may expire too soon by that, never
 * too late. Nothing is known here of who asks or why.
 */

export interface Stamps {
  /** The node's monotonic clock when the check was first sent. */
  readonly monotonicMs: number;
  /** From the client's birth until then. */
  readonly ageMs: number;
  /** The client's birth on the node's wall clock. */
  readonly bornUnixMs: number;
  /** From the first sending of this check to the sending of this try. */
  readonly retriedAfterMs: number;
}

/** Two clocks of 100 ppm are 6 ms apart after this long, and a stall of the brain is forgotten after twice as long. */
const windowMs = 30_000;

/** A wall clock that moves against the monotonic one by more than this was set, or the machine slept or restarted. */
const epochToleranceMs = 500;

export class NodeClock {
  /** Node's wall clock − its monotonic clock: names the run of its monotonic clock. */
  #epochMs = Number.NaN;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  /** Smallest (brain − node) of this window and of the one before. */
  #current = Number.POSITIVE_INFINITY;
  #previous = Number.POSITIVE_INFINITY;
  #previousStartMs = Number.NEGATIVE_INFINITY;

  /**
   * Takes in what a check says.
   *
   * @param arrivedMs the brain's monotonic clock
   * @returns how long the client has been waiting by now
   */
  observe(stamps: Stamps, arrivedMs: number): number {
    const epoch = stamps.bornUnixMs + stamps.ageMs - stamps.monotonicMs;
    if (!(Math.abs(epoch - this.#epochMs) <= epochToleranceMs)) {
      this.#current = this.#previous = Number.POSITIVE_INFINITY;
      this.#windowStartMs = arrivedMs;
      this.#epochMs = epoch;
    }
    if (arrivedMs - this.#windowStartMs >= windowMs) {
      this.#previous = this.#current;
      this.#previousStartMs = this.#windowStartMs;
      this.#current = Number.POSITIVE_INFINITY;
      this.#windowStartMs = arrivedMs;
    }
    const offset = arrivedMs - stamps.monotonicMs - stamps.retriedAfterMs;
    if (offset < this.#current) this.#current = offset;
    return Math.max(0, stamps.ageMs + this.nodeMs(arrivedMs) - stamps.monotonicMs);
  }

  /** The node's monotonic clock at `brainMs`; only after an `observe`. */
  nodeMs(brainMs: number): number {
    const isFresh = brainMs - this.#previousStartMs <= 2 * windowMs;
    return brainMs - (isFresh ? Math.min(this.#current, this.#previous) : this.#current);
  }

  /** The same, also by what is too old to promise anything by: it may be ahead by what the two clocks have drifted apart. */
  likelyMs(brainMs: number): number {
    return brainMs - Math.min(this.#current, this.#previous);
  }
}
