/** Clients that wait: who is in which queue and until when. Whose turn it is, is decided in admission.ts. */
import type { Refusal } from '../verdict/refusals.js';
import { next, obstacle } from './admission.js';
import type { Books } from './books.js';
import type { Outcome } from './outcome.js';
import type { Client, Service, Waiter } from './records.js';
import { refusedLate } from './refusing.js';

export class Queue {
  readonly #books: Books;
  readonly #outcome: Outcome;

  constructor(books: Books, outcome: Outcome) {
    this.#books = books;
    this.#outcome = outcome;
  }

  /** Until the service's `timeout_ms` from the client's birth. */
  enter(client: Client): void {
    const { connection, node, service, bornMs } = client;
    const waiter: Waiter = {
      kind: 'waiter',
      connection,
      node,
      service,
      bornMs,
      place: undefined,
      timer: undefined,
    };
    if (service.queue.size === 0) {
      service.hungryMs = this.#outcome.nowMs;
      service.target.waiting.add(service);
      service.tenant.waiting.add(service);
    }
    waiter.place = service.queue.add(waiter, bornMs);
    this.#books.waiters.set(connection, waiter);
    this.#books.schedule(waiter, bornMs + service.plan!.timeoutMs);
  }

  leave(waiter: Waiter): void {
    const { service } = waiter;
    service.queue.remove(waiter.place!);
    if (service.queue.size === 0) {
      service.target.waiting.delete(service);
      service.tenant.waiting.delete(service);
    }
    this.#books.waiters.delete(waiter.connection);
    this.#books.schedule(waiter, undefined);
  }

  /** What a client is told whose time is up, whether it has waited here or only came so late. */
  late({ service, bornMs }: Client): Refusal {
    const { nowMs } = this.#outcome;
    const waited = {
      waitedMs: nowMs - bornMs,
      timeoutMs: service.plan!.timeoutMs,
      others: service.queue.size,
    };
    const held = obstacle(service, this.#books) ?? 'database';
    return refusedLate(service, held, waited, this.#books);
  }

  /** Gives what has become free since the last time to those who wait for it. */
  serve(starvationMs: number, grant: (waiter: Waiter) => void): void {
    const { freedTargets, freedTenants } = this.#books;
    if (freedTargets.size === 0 && freedTenants.size === 0) return;
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
      this.leave(waiter);
      grant(waiter);
    }
  }
}
