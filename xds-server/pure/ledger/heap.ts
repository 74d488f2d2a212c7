/** A binary heap that can forget any of its items: every step is O(log n). Equal items come out in the order they went in. */

/** Where an item stands in a heap; kept by whoever may want it removed. */
export interface Place<Item> {
  readonly item: Item;
  readonly key: number;
  /** Breaks ties. */
  readonly serial: number;
  /** Maintained by the heap; −1 once it is out. */
  index: number;
}

export class Heap<Item> {
  readonly #places: Place<Item>[] = [];
  #serial = 0;

  get size(): number {
    return this.#places.length;
  }

  /** The item with the smallest key. */
  first(): Place<Item> | undefined {
    return this.#places[0];
  }

  add(item: Item, key: number): Place<Item> {
    const place: Place<Item> = { item, key, serial: this.#serial++, index: this.#places.length };
    this.#places.push(place);
    this.#rise(place);
    return place;
  }

  /** Does nothing when it is already out. */
  remove(place: Place<Item>): void {
    const { index } = place;
    if (index < 0) return;
    place.index = -1;
    const last = this.#places.pop()!;
    if (last === place) return;
    this.#put(last, index);
    this.#rise(last);
    // One that has risen is before all that is below it.
    if (last.index === index) this.#sink(last);
  }

  /** In no particular order. */
  *[Symbol.iterator](): IterableIterator<Item> {
    for (const { item } of this.#places) yield item;
  }

  #rise(place: Place<Item>): void {
    let { index } = place;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#places[above]!;
      if (isBefore(parent, place)) break;
      this.#put(parent, index);
      index = above;
    }
    this.#put(place, index);
  }

  #sink(place: Place<Item>): void {
    const places = this.#places;
    const size = places.length;
    let { index } = place;
    for (let below = 2 * index + 1; below < size; below = 2 * index + 1) {
      if (below + 1 < size && isBefore(places[below + 1]!, places[below]!)) below += 1;
      const child = places[below]!;
      if (isBefore(place, child)) break;
      this.#put(child, index);
      index = below;
    }
    this.#put(place, index);
  }

  #put(place: Place<Item>, index: number): void {
    place.index = index;
    this.#places[index] = place;
  }
}

function isBefore(one: Place<unknown>, other: Place<unknown>): boolean {
  return one.key < other.key || (one.key === other.key && one.serial < other.serial);
}
