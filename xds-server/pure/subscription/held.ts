/**
 * Which resources a client has of one type, and at which version: for a thousand nodes that have the same thousand
 * resources, without a thousand copies of that list.
 *
 *     has(name)  =  what is noted for the name, if anything; else, if the client wants it, what the base has
 *
 * The base is a set's own map, shared by all streams that have reached it; only differences are noted.
 */
import type { Resource } from '../snapshot/snapshot.js';

/** A version alone where the client claims it, or where the bytes will not be needed again. */
export type Holding = Resource | string;

const NOTHING: ReadonlyMap<string, Resource> = new Map();
const ABSENT = undefined;

export class Held {
  #base = NOTHING;
  readonly #noted = new Map<string, Holding | typeof ABSENT>();

  constructor(private readonly isWanted: (name: string) => boolean) {}

  get(name: string): Holding | undefined {
    if (!this.isWanted(name)) return undefined;
    return this.#noted.has(name) ? this.#noted.get(name) : this.#base.get(name);
  }

  get names(): string[] {
    const names = [...this.#noted.keys()];
    for (const name of this.#base.keys()) if (!this.#noted.has(name)) names.push(name);
    return names.filter((name) => this.get(name) !== ABSENT);
  }

  set(name: string, holding: Holding): void {
    this.#noted.set(name, holding);
  }

  /** The client does not have it; also when it begins to want it. */
  delete(name: string): void {
    if (this.#base.has(name)) this.#noted.set(name, ABSENT);
    else this.#noted.delete(name);
  }

  /**
   * The client has all that it wants of these, at these versions, and otherwise nothing but `others`, at the versions
   * that are known.
   */
  rebase(resources: ReadonlyMap<string, Resource>, others: Iterable<string>): void {
    if (this.#base !== resources)
      for (const name of others) {
        const holding = this.get(name);
        if (holding !== ABSENT) this.#noted.set(name, versionOf(holding));
      }
    this.#base = resources;
    for (const [name, holding] of this.#noted)
      if (resources.has(name) || holding === ABSENT || !this.isWanted(name)) this.#noted.delete(name);
  }

  /** The client is about to want everything: what it has now is noted name by name. */
  unbase(): void {
    const has = this.names.map((name) => [name, this.get(name)] as const);
    this.#base = NOTHING;
    this.#noted.clear();
    for (const [name, holding] of has) this.#noted.set(name, holding);
  }
}

export function versionOf(holding: Holding): string {
  return typeof holding === 'string' ? holding : holding.version;
}
