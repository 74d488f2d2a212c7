import type { Random } from './random.js';
import type { Traits } from './traits.js';

/** Of each host few, so that they are soon used again, also while a server still holds on to the one before. */
const portsEach = 60;

/** Addresses that the nodes dial from. */
export class Ports {
  readonly #traits: Traits;
  readonly #taken = new Set<string>();
  /** By host, the one that was released last. */
  readonly #lastFree = new Map<string, string>();

  constructor(traits: Traits) {
    this.#traits = traits;
  }

  take(node: number, random: Random): string {
    const host = `10.0.1.${this.#traits.oneHost ? 1 : node}`;
    const last = this.#lastFree.get(host);
    if (this.#traits.samePort && last !== undefined && !this.#taken.has(last) && random.chance(0.8)) {
      this.#taken.add(last);
      return last;
    }
    for (;;) {
      const address = `${host}:${random.between(1, this.#most)}`;
      if (this.#taken.has(address)) continue;
      this.#taken.add(address);
      return address;
    }
  }

  release(address: string): void {
    if (this.#taken.delete(address)) this.#lastFree.set(address.slice(0, address.indexOf(':')), address);
  }

  get #most(): number {
    return this.#traits.oneHost ? 4 * portsEach : portsEach;
  }
}
