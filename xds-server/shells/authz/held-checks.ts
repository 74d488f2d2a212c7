/** The checks that are held, by connection: so many, and of so many characters, and no more. What they wait for is not known here. */
import type { ConnectionId } from '../../pure/ledger/events.js';
import type { Check } from './check-request.js';

export interface HeldCheck {
  readonly check: Check;
}

export interface Bounds {
  readonly maxChecks: number;
  /** Of all that nodes have written into them; a character takes a byte, or two where a text is not Latin. */
  readonly maxChars: number;
}

export class HeldChecks<Held extends HeldCheck> {
  readonly #bounds: Bounds;
  readonly #held = new Map<ConnectionId, Held>();
  #chars = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  get(connection: ConnectionId): Held | undefined {
    return this.#held.get(connection);
  }

  /** @returns why this check can't be held; undefined: it can, in the place of an earlier one of its connection */
  whyNot(check: Check): string | undefined {
    const { maxChecks, maxChars } = this.#bounds;
    const earlier = this.#held.get(check.connection);
    if (this.#held.size >= maxChecks && !earlier) return `${maxChecks} checks are held`;
    const others = this.#chars - (earlier ? charsOf(earlier.check) : 0);
    return others + charsOf(check) > maxChars ? `checks of ${others} characters are held` : undefined;
  }

  /** Takes the place of an earlier one of its connection. */
  hold(held: Held): void {
    this.forget(held.check.connection);
    this.#held.set(held.check.connection, held);
    this.#chars += charsOf(held.check);
  }

  forget(connection: ConnectionId): void {
    const held = this.#held.get(connection);
    if (!held) return;
    this.#held.delete(connection);
    this.#chars -= charsOf(held.check);
  }

  clear(): void {
    this.#held.clear();
    this.#chars = 0;
  }

  /** The first that came, first; those that are looked at may be forgotten meanwhile. */
  [Symbol.iterator](): Iterator<Held> {
    return this.#held.values();
  }
}

/** What is as long as its node wants it to be. */
function charsOf({ listener, user = '', database = '', certificate = '' }: Check): number {
  return listener.length + user.length + database.length + certificate.length;
}
