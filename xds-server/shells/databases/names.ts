/**
 * The addresses of names in the plan, as this machine's resolver has them. Names come from the plan alone, but how often
 * they are asked for is up to nodes and clients, so each is looked up once a second at the most, and once at a time.
 */
import { lookup } from 'node:dns/promises';
import { setTimeout as pause } from 'node:timers/promises';

/** What was found, for those who ask next. A failover by DNS is followed that soon. */
const keptMs = 1_000;
/** For one who asks. */
const patienceMs = 2_000;
/** Plans change; names of old ones go. */
const maxNames = 10_000;

interface Asked {
  readonly addresses: Promise<readonly string[]>;
  /** Infinite until the resolver has answered. */
  untilMs: number;
}

export class Names {
  readonly #now: () => number;
  readonly #resolve: (name: string) => Promise<readonly string[]>;
  readonly #asked = new Map<string, Asked>();

  /** @param now monotonic, in milliseconds */
  constructor(now: () => number, resolve = addressesOf) {
    this.#now = now;
    this.#resolve = resolve;
  }

  /** @returns none where nobody knows the name, or the resolver takes too long. */
  addressesOf(name: string): Promise<readonly string[]> {
    const known = this.#asked.get(name);
    const { addresses } = known && this.#now() < known.untilMs ? known : this.#ask(name);
    return inTime(addresses);
  }

  #ask(name: string): Asked {
    const addresses = this.#resolve(name)
      .catch(() => [])
      .finally(() => {
        asked.untilMs = this.#now() + keptMs;
      });
    const asked: Asked = { addresses, untilMs: Number.POSITIVE_INFINITY };
    if (this.#asked.size >= maxNames) this.#asked.clear();
    this.#asked.set(name, asked);
    return asked;
  }
}

async function addressesOf(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

async function inTime(addresses: Promise<readonly string[]>): Promise<readonly string[]> {
  const patience = new AbortController();
  const over = pause(patienceMs, [], { signal: patience.signal }).catch(() => []);
  try {
    return await Promise.race([addresses, over]);
  } finally {
    patience.abort();
  }
}
