/**
 * A node's clock as one connection of the node's shows it, and whether that is far behind what other connections have shown.
 *
 * A check waits in its node until there is a connection to send it by, while the brain stands still and its kernel accepts
 * for as long as a dial may take; its stamps are of before that. So by a new connection a node's clock may be known a
 * second too early, and whoever is granted by it gets what is over before it arrives.
 *
 * What other connections have shown is a reason to ask anew and never what a grant ends by: it may be of an earlier run of
 * the node's clock (a machine that was put back to a snapshot), or of another machine by the same name.
 */
import { NodeClock, type Stamps } from './node-clock.js';

/**
 * For so long, at the first. A node that is asked anew answers within its pause between two tries, over a connection that stands;
 * after that it is what is known of the others that is wrong.
 */
const doubtMs = 5_000;

export class ChannelClock {
  readonly #own = new NodeClock();
  readonly #ofNode: NodeClock;
  #doubtedSinceMs: number | undefined;

  /** @param ofNode shared by all connections of a node */
  constructor(ofNode: NodeClock) {
    this.#ofNode = ofNode;
  }

  /** @returns how long the client has been waiting by now */
  observe(stamps: Stamps, arrivedMs: number): number {
    this.#ofNode.observe(stamps, arrivedMs);
    return this.#own.observe(stamps, arrivedMs);
  }

  /** The node's monotonic clock at `brainMs`, and never later than that; only after an `observe`. */
  nodeMs(brainMs: number): number {
    return this.#own.nodeMs(brainMs);
  }

  /** Whether it is likely to be behind by more than `mostMs`, and the node's next check will tell. */
  isDoubtful(nowMs: number, mostMs: number): boolean {
    if (!(this.#ofNode.likelyMs(nowMs) - this.nodeMs(nowMs) > mostMs)) return false;
    this.#doubtedSinceMs ??= nowMs;
    return nowMs - this.#doubtedSinceMs < doubtMs;
  }
}

/** As many as brains know of each other's (peers/claims.ts). Of one that is not known a new connection is believed at once. */
const maxNodes = 20_000;

/** Clocks by connection, which is any object. */
export class ChannelClocks {
  readonly #ofChannel = new WeakMap<object, ChannelClock>();
  readonly #ofNode = new Map<string, NodeClock>();

  of(channel: object, node: string): ChannelClock {
    const known = this.#ofChannel.get(channel);
    if (known) return known;
    const clock = new ChannelClock(this.#clockOf(node));
    this.#ofChannel.set(channel, clock);
    return clock;
  }

  #clockOf(node: string): NodeClock {
    const clock = this.#ofNode.get(node) ?? new NodeClock();
    // The one that has connected last, last.
    this.#ofNode.delete(node);
    this.#ofNode.set(node, clock);
    if (this.#ofNode.size > maxNodes) this.#ofNode.delete(this.#ofNode.keys().next().value!);
    return clock;
  }
}
