import type { ConnectionId } from './events.js';

const most = 20_000;

/** Connections that are over since lately: what was overtaken by the end is not believed, nor an end that the list was before. */
export class Ended {
  readonly #keptMs: number;
  /** The oldest first. */
  readonly #at = new Map<ConnectionId, number>();

  constructor(keptMs: number) {
    this.#keptMs = keptMs;
  }

  has(connection: ConnectionId): boolean {
    return this.#at.has(connection);
  }

  add(connection: ConnectionId, nowMs: number): void {
    this.#at.delete(connection);
    this.#at.set(connection, nowMs);
    for (const [oldest, atMs] of this.#at) {
      if (this.#at.size <= most && nowMs - atMs <= this.#keptMs) break;
      this.#at.delete(oldest);
    }
  }
}
