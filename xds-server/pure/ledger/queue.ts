/** Clients that wait: who is in which queue and until when. Whose turn it is, is decided in admission.ts. */
import type { Refusal, Waited } from '../verdict/refusals.js';
import { next, obstacle } from './admission.js';
import type { Books } from './books.js';
import type { Doors } from './doors.js';
import { line } from './lines.js';
import type { Outcome } from './outcome.js';
import type { Client, Service, Waiter } from './records.js';
import { refusedAside, refusedAtOnce, refusedCrowded, refusedLate } from './refusing.js';
import { waitersOf } from './waiters.js';

export class Queue {
  readonly #books: Books;
  readonly #outcome: Outcome;
  readonly #doors: Doors;

  constructor(books: Books, outcome: Outcome, doors: Doors) {
    this.#books = books;
    this.#outcome = outcome;
    this.#doors = doors;
  }

  /** Until the service's `timeout_ms` from the client's birth. */
  enter(client: Client): void {
    const { connection, node, service, bornMs, source, sentMs } = client;
    const waiter: Waiter = {
      kind: 'waiter',
      connection,
      node,
      service,
      bornMs,
      source,
      sentMs,
      place: undefined,
      door: undefined,
      crowdPlace: undefined,
      timer: undefined,
    };
    if (service.queue.size === 0) service.hungryMs = this.#outcome.nowMs;
    line(waiter, this.#doors.closed(client));
    this.#awaitLogins(waiter);
    this.#books.waiters.set(connection, waiter);
    this.#books.schedule(waiter, bornMs + service.plan!.timeoutMs);
  }

  leave(waiter: Waiter): void {
    line(waiter, 'nowhere');
    this.#books.waiters.delete(waiter.connection);
    this.#books.schedule(waiter, undefined);
    this.#doors.vacated(waiter);
  }

  /** What a client is told who has lost his place. */
  crowded(waiter: Waiter): Refusal {
    const { service } = waiter;
    const held = obstacle(service, this.#books);
    if (held === 'recovering' || held === 'leaderless') return refusedAtOnce(service, held, this.#books);
    return refusedCrowded(service, this.#waited(waiter));
  }

  /** What a client is told whose time is up, whether it has waited here or only came so late. */
  late(client: Client): Refusal {
    const { service } = client;
    const waited = this.#waited(client);
    const held = obstacle(service, this.#books);
    const door = held === undefined ? this.#doors.closed(client) : undefined;
    if (door) return refusedAside(door, this.#doors, waited);
    return refusedLate(service, held ?? 'database', waited, this.#books);
  }

  #waited({ service, bornMs }: Client): Waited {
    return {
      waitedMs: this.#outcome.nowMs - bornMs,
      timeoutMs: service.plan!.timeoutMs,
      others: waitersOf(service),
    };
  }

  /** Gives what has become free since the last time to those who wait for it. */
  serve(starvationMs: number, grant: (waiter: Waiter) => void): void {
    const { freedTargets, freedTenants } = this.#books;
    if (freedTargets.size === 0 && freedTenants.size === 0) return;
    if (this.#books.waiters.size === 0) {
      freedTargets.clear();
      freedTenants.clear();
      return;
    }
    const waiting = new Set<Service>();
    for (const target of freedTargets) for (const service of target.waiting) waiting.add(service);
    // A tenant without a limit holds nobody up.
    for (const tenant of freedTenants)
      if (Number.isFinite(tenant.max)) for (const service of tenant.waiting) waiting.add(service);
    freedTargets.clear();
    freedTenants.clear();
    const candidates = [...waiting];
    for (;;) {
      const service = next(candidates, this.#books, this.#outcome.nowMs, starvationMs);
      if (!service) return;
      const waiter = service.queue.first()!.item;
      const closed = this.#doors.closed(waiter);
      if (closed) {
        line(waiter, closed);
        this.#awaitLogins(waiter);
        continue;
      }
      this.leave(waiter);
      grant(waiter);
    }
  }

  /** Who stands aside waits for the news that others are in: the database has it first. */
  #awaitLogins({ door, service }: Waiter): void {
    if (door && !this.#doors.isShut(door)) this.#outcome.observe(service.target);
  }
}
