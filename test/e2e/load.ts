/** Clients that connect, work a little and leave, again and again, until they are told to stop or one of them fails. */
import { waitUntil } from '../harness/wait-until.js';

export class Load {
  served = 0;
  readonly problems: unknown[] = [];
  readonly #visit: () => Promise<unknown>;
  readonly #clients: Promise<unknown>;
  #isOver = false;

  /** @param visit of one client, from connecting to leaving */
  constructor(clients: number, visit: () => Promise<unknown>) {
    this.#visit = visit;
    this.#clients = Promise.all(Array.from({ length: clients }, () => this.#work()));
  }

  async #work(): Promise<void> {
    while (!this.#isOver && this.problems.length === 0) {
      try {
        await this.#visit();
        this.served += 1;
      } catch (error) {
        this.problems.push(error);
      }
    }
  }

  /** Until this many more have been served, or one has failed. */
  async serve(more: number): Promise<void> {
    const goal = this.served + more;
    await waitUntil(`${more} more clients are served`, () => this.problems.length > 0 || this.served >= goal);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#clients;
  }
}
