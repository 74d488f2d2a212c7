/**
 * What there is for one stream of one type: the set's own resources, and fallbacks for a bounded number of names that
 * the client subscribed to by name. Not whether the client has them.
 */
import type { Resource, ResourceSet } from '../snapshot/snapshot.js';
import type { Interest } from './interest.js';

export class Supply {
  #set: ResourceSet | undefined;
  /** Names that are served by `ResourceSet.fallback`. */
  readonly #fallbacks = new Set<string>();

  constructor(
    private readonly interest: Interest,
    private readonly maxFallbacks: number,
  ) {}

  /** Undefined until there is a snapshot. */
  get set(): ResourceSet | undefined {
    return this.#set;
  }

  get fallbacks(): ReadonlySet<string> {
    return this.#fallbacks;
  }

  replace(set: ResourceSet): void {
    this.#set = set;
  }

  /**
   * The resource of a name that the client is interested in.
   *
   * @param mayTakeRoom whether the name may become one more of those that are served by a fallback
   */
  find(name: string, mayTakeRoom: boolean): Resource | undefined {
    if (!this.#set || !this.interest.covers(name)) return undefined;
    const own = this.#set.resources.get(name);
    const hasRoom = this.#fallbacks.has(name) || (mayTakeRoom && this.#hasRoom);
    const fallback =
      !own && hasRoom && this.interest.names.has(name) ? this.#set.fallback?.(name) : undefined;
    if (fallback) this.#fallbacks.add(name);
    else this.#fallbacks.delete(name);
    return own ?? fallback;
  }

  /**
   * Strangers choose names: the oldest of them gives its room to one that is asked for and has none.
   *
   * @returns the name that has lost its room
   */
  makeRoomFor(name: string): string | undefined {
    const set = this.#set;
    if (this.#hasRoom || this.#fallbacks.has(name) || set?.resources.has(name) || !set?.fallback?.(name))
      return undefined;
    const [oldest] = this.#fallbacks;
    if (oldest !== undefined) this.#fallbacks.delete(oldest);
    return oldest;
  }

  /** The client has given the name up: its room is free for the next who asks. */
  release(name: string): void {
    this.#fallbacks.delete(name);
  }

  /** Names that did not exist and now could, by a fallback. */
  emerging(): string[] {
    const { set } = this;
    if (!set?.fallback || !this.#hasRoom) return [];
    const room = this.maxFallbacks - this.#fallbacks.size;
    const names: string[] = [];
    for (const name of this.interest.names) {
      const isAbsent = !set.resources.has(name) && !this.#fallbacks.has(name);
      if (isAbsent && set.fallback(name)) names.push(name);
      if (names.length >= room) break;
    }
    return names;
  }

  get #hasRoom(): boolean {
    return this.#fallbacks.size < this.maxFallbacks;
  }
}
