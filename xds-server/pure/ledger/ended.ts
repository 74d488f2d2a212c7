import type { ConnectionId } from './events.js';

const most = 20_000;

/** Connections that are over since lately: what was overtaken by the end is not believed, nor an end that the list was before. */
export class Ended {
  readonly #keptMs: number;
  /** The oldest first. */
  readonly #by = new Map<ConnectionId, { readonly atMs: number; readonly earliestStep: number }>();

  constructor(keptMs: number) {
    this.#keptMs = keptMs;
  }

  has(connection: ConnectionId): boolean {
    return this.#by.has(connection);
  }

  /** The step of its grant; −∞ where that is not known. */
  earliestStep(connection: ConnectionId): number {
    return this.#by.get(connection)?.earliestStep ?? Number.NEGATIVE_INFINITY;
  }

  add(connection: ConnectionId, nowMs: number, earliestStep = Number.NEGATIVE_INFINITY): void {
    this.#by.delete(connection);
    this.#by.set(connection, { atMs: nowMs, earliestStep });
    for (const [oldest, { atMs }] of this.#by) {
      if (this.#by.size <= most && nowMs - atMs <= this.#keptMs) break;
      this.#by.delete(oldest);
    }
  }
}
