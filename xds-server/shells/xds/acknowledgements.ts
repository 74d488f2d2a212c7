/** Who waits for a node to hold a resource. Whether it does is asked of its streams. */
import type { TypeUrl } from '../../pure/snapshot/snapshot.js';
import type { AdsStream } from './ads-stream.js';

interface Waiter {
  readonly typeUrl: TypeUrl;
  readonly name: string;
  settle(isAcked: boolean): void;
}

export class Acknowledgements {
  readonly #waiters = new Map<string, Set<Waiter>>();

  constructor(private readonly streamsOf: (node: string) => ReadonlySet<AdsStream> | undefined) {}

  isAcked(node: string, typeUrl: TypeUrl, name: string): boolean {
    const streams = this.streamsOf(node);
    if (!streams) return false;
    for (const stream of streams) if (!stream.holds(typeUrl, name)) return false;
    return true;
  }

  whenAcked(node: string, typeUrl: TypeUrl, name: string, timeoutMs: number): Promise<boolean> {
    if (this.isAcked(node, typeUrl, name)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(node) ?? new Set();
      this.#waiters.set(node, waiters);
      const waiter: Waiter = {
        typeUrl,
        name,
        settle: (isAcked) => {
          clearTimeout(timer);
          waiters.delete(waiter);
          if (waiters.size === 0 && this.#waiters.get(node) === waiters) this.#waiters.delete(node);
          resolve(isAcked);
        },
      };
      const timer = setTimeout(() => waiter.settle(false), timeoutMs);
      waiters.add(waiter);
    });
  }

  /** Something has happened on one of the node's streams. */
  progressed(node: string): void {
    for (const waiter of this.#waiters.get(node) ?? [])
      if (this.isAcked(node, waiter.typeUrl, waiter.name)) waiter.settle(true);
  }

  close(): void {
    for (const waiters of [...this.#waiters.values()])
      for (const waiter of [...waiters]) waiter.settle(false);
  }
}
