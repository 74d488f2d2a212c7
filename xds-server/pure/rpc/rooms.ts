/** Room for messages that are not whole yet: so much for each node, over all its connections and calls, and so much for all. */
import type { Room } from './gathered.js';

export interface RoomBounds {
  readonly ofEach: number;
  readonly ofAll: number;
}

export class Rooms {
  readonly #bounds: RoomBounds;
  /** Never 0. */
  readonly #taken = new Map<string, number>();
  #takenByAll = 0;

  constructor(bounds: RoomBounds) {
    this.#bounds = bounds;
  }

  /** The room of one who calls; it may be asked for as often as one likes. */
  of(who: string): Room {
    return {
      take: (bytes) => this.#take(who, bytes),
      giveBack: (bytes) => this.#add(who, -bytes),
    };
  }

  get taken(): number {
    return this.#takenByAll;
  }

  #take(who: string, bytes: number): string | undefined {
    const { ofEach, ofAll } = this.#bounds;
    if ((this.#taken.get(who) ?? 0) + bytes > ofEach)
      return `messages that are not whole may have ${ofEach} bytes of one node`;
    if (this.#takenByAll + bytes > ofAll)
      return `messages that are not whole may have ${ofAll} bytes of all nodes`;
    this.#add(who, bytes);
    return undefined;
  }

  #add(who: string, bytes: number): void {
    this.#takenByAll += bytes;
    const taken = (this.#taken.get(who) ?? 0) + bytes;
    if (taken === 0) this.#taken.delete(who);
    else this.#taken.set(who, taken);
  }
}
