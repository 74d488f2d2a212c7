/**
 * Warnings about what strangers do, who can do it a thousand times a second: of one kind a line a second, which says
 * how many there were since the last.
 */
import type { Logger } from 'pino';

const pauseMs = 1000;

export class OccasionalLog {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #kinds = new Map<string, { saidMs: number; unsaid: number }>();

  constructor(log: Logger, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  /** @param kind one of a few */
  warn(kind: string, fields: Readonly<Record<string, unknown>>, message: string): void {
    const known = this.#kinds.get(kind);
    const nowMs = this.#now();
    if (known && nowMs - known.saidMs < pauseMs) {
      known.unsaid += 1;
      return;
    }
    this.#kinds.set(kind, { saidMs: nowMs, unsaid: 0 });
    this.#log.warn({ ...fields, ...(known && known.unsaid > 0 && { more_before: known.unsaid }) }, message);
  }
}
