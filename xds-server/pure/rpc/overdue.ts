/**
 * Who has been waited for too long, by one clock for all. Time is counted in looks, not by a watch: what passes while
 * nobody looks is nobody's fault.
 */
export class Overdue<Item> {
  readonly #mostLooks: number;
  /** At which look each began, the oldest first. */
  readonly #since = new Map<Item, number>();
  #looks = 0;

  /** @param mostLooks that one is waited for; the first may come at once */
  constructor(mostLooks: number) {
    this.#mostLooks = mostLooks;
  }

  begin(item: Item): void {
    this.#since.set(item, this.#looks);
  }

  end(item: Item): void {
    this.#since.delete(item);
  }

  /** @returns those who are waited for no longer */
  look(): Item[] {
    this.#looks += 1;
    const due: Item[] = [];
    for (const [item, since] of this.#since) {
      if (this.#looks - since <= this.#mostLooks) break;
      this.#since.delete(item);
      due.push(item);
    }
    return due;
  }
}
