/**
 * Who waits for a service that the spec here does not have yet: another brain may have read a spec a moment earlier.
 * They are looked at when another spec is in force and at no other time, however many they are.
 */
import type { ServicePlan } from '../../pure/plan/plan.js';

export interface AwaitedServicesOptions {
  readonly service: (name: string) => ServicePlan | undefined;
  /** What the service needs, in words: the same for two brains that mean the same. */
  readonly needs: (planned: ServicePlan) => string;
}

interface Waiter {
  /** The service by any plan where there are none. */
  readonly needs: string | undefined;
  settle(planned: ServicePlan | undefined): void;
}

/** Who comes beyond these is told at once what he would be told at the end of his time. */
const maxWaiters = 100_000;

export class AwaitedServices {
  readonly #options: AwaitedServicesOptions;
  readonly #waiters = new Map<string, Set<Waiter>>();
  #count = 0;

  constructor(options: AwaitedServicesOptions) {
    this.#options = options;
  }

  /**
   * Resolves undefined when the time is over.
   *
   * @param needs the service is meant only where it needs this
   */
  when(name: string, withinMs: number, needs?: string): Promise<ServicePlan | undefined> {
    const planned = this.#options.service(name);
    if (planned && (needs === undefined || this.#options.needs(planned) === needs))
      return Promise.resolve(planned);
    if (this.#count >= maxWaiters) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(name) ?? new Set();
      this.#waiters.set(name, waiters);
      const waiter: Waiter = {
        needs,
        settle: (found) => {
          clearTimeout(timer);
          waiters.delete(waiter);
          this.#count -= 1;
          if (waiters.size === 0) this.#waiters.delete(name);
          resolve(found);
        },
      };
      const timer = setTimeout(() => waiter.settle(undefined), withinMs);
      waiters.add(waiter);
      this.#count += 1;
    });
  }

  /** Another spec is in force. */
  planned(): void {
    for (const [name, waiters] of [...this.#waiters]) {
      const planned = this.#options.service(name);
      if (!planned) continue;
      const needs = this.#options.needs(planned);
      for (const waiter of [...waiters])
        if (waiter.needs === undefined || waiter.needs === needs) waiter.settle(planned);
    }
  }
}
