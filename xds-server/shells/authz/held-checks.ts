/**
 * The checks that are held, by connection: so many, and of so many characters, and no more, also of one node. What they wait
 * for is not known here.
 */
import type { ConnectionId, NodeId } from '../../pure/ledger/events.js';
import type { Check } from './check-request.js';

export interface HeldCheck {
  readonly check: Check;
  readonly node: NodeId;
}

export interface Bounds {
  readonly maxChecks: number;
  /** Of all that nodes have written into them; a character takes a byte, or two where a text is not Latin. */
  readonly maxChars: number;
  /** Of both, what one node may have. */
  readonly nodesShare: number;
}

interface Amount {
  checks: number;
  chars: number;
}

export class HeldChecks<Held extends HeldCheck> {
  readonly #bounds: Bounds;
  readonly #held = new Map<ConnectionId, Held>();
  readonly #all: Amount = { checks: 0, chars: 0 };
  readonly #ofNode = new Map<NodeId, Amount>();

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  get(connection: ConnectionId): Held | undefined {
    return this.#held.get(connection);
  }

  /** @returns why this check can't be held; undefined: it can, in the place of an earlier one of its connection */
  whyNot(check: Check, node: NodeId): string | undefined {
    const { maxChecks, maxChars, nodesShare } = this.#bounds;
    const earlier = this.#held.get(check.connection);
    const without = earlier ? { checks: 1, chars: charsOf(earlier.check) } : nothing;
    const room = (held: Amount, share: number): boolean =>
      held.checks - without.checks < maxChecks * share &&
      held.chars - without.chars + charsOf(check) <= maxChars * share;
    if (!room(this.#all, 1)) return shown(this.#all);
    const ofNode = this.#ofNode.get(node) ?? nothing;
    return room(ofNode, nodesShare) ? undefined : `${shown(ofNode)}, of node ${node}`;
  }

  /** Takes the place of an earlier one of its connection. */
  hold(held: Held): void {
    const { check, node } = held;
    this.forget(check.connection);
    this.#held.set(check.connection, held);
    this.#count(node, 1, charsOf(check));
  }

  forget(connection: ConnectionId): void {
    const held = this.#held.get(connection);
    if (!held) return;
    this.#held.delete(connection);
    this.#count(held.node, -1, -charsOf(held.check));
  }

  clear(): void {
    for (const connection of [...this.#held.keys()]) this.forget(connection);
  }

  #count(node: NodeId, checks: number, chars: number): void {
    const ofNode = this.#ofNode.get(node) ?? { checks: 0, chars: 0 };
    this.#ofNode.set(node, ofNode);
    for (const amount of [this.#all, ofNode]) {
      amount.checks += checks;
      amount.chars += chars;
    }
    if (ofNode.checks === 0) this.#ofNode.delete(node);
  }

  /** The first that came, first; those that are looked at may be forgotten meanwhile. */
  [Symbol.iterator](): Iterator<Held> {
    return this.#held.values();
  }
}

const nothing: Readonly<Amount> = { checks: 0, chars: 0 };

function shown({ checks, chars }: Readonly<Amount>): string {
  return `${checks} checks of ${chars} characters are held`;
}

/** What is as long as its node wants it to be. */
function charsOf({ listener, user = '', database = '', certificate = '' }: Check): number {
  return listener.length + user.length + database.length + certificate.length;
}
