/** How often somebody may ask: a bucket of tokens each, filled steadily. Bounded: the one longest unused is forgotten. */

export interface Rate {
  /** Tokens of a full bucket. */
  readonly burst: number;
  readonly perSecond: number;
}

interface Bucket {
  /** Below 0 after a fine. */
  tokens: number;
  atMs: number;
}

export class TokenBuckets {
  readonly #rate: Rate;
  readonly #maxKeys: number;
  /** The longest unused first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate, maxKeys: number) {
    this.#rate = rate;
    this.#maxKeys = maxKeys;
  }

  /** @returns whether there was a token, which is then taken. */
  take(key: string, nowMs: number): boolean {
    const bucket = this.#filled(key, nowMs);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  /** Takes `tokens`, there or not; a debt is at most a bucket full. */
  fine(key: string, tokens: number, nowMs: number): void {
    const bucket = this.#filled(key, nowMs);
    bucket.tokens = Math.max(bucket.tokens - tokens, -this.#rate.burst);
  }

  get size(): number {
    return this.#buckets.size;
  }

  #filled(key: string, nowMs: number): Bucket {
    const { burst, perSecond } = this.#rate;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    const filled = ((nowMs - bucket.atMs) / 1000) * perSecond;
    bucket.tokens = Math.min(burst, bucket.tokens + filled);
    bucket.atMs = nowMs;
    this.#buckets.delete(key);
    if (this.#buckets.size >= this.#maxKeys) this.#buckets.delete(this.#buckets.keys().next().value!);
    this.#buckets.set(key, bucket);
    return bucket;
  }
}
