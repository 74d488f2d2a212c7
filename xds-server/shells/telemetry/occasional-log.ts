/**
 * Warnings about what strangers do, who can do it a thousand times a second: of one kind a line a second, which says
 * how many there were since the last.
 */
import type { Logger } from 'pino';

const pauseMs = 1000;
/** Beyond these, those that come in one second are one kind: who may call himself anything could otherwise say a line each time. */
const maxKinds = 64;
const others = 'others';

export class OccasionalLog {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #kinds = new Map<string, { saidMs: number; unsaid: number }>();

  constructor(log: Logger, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  warn(what: string, fields: Readonly<Record<string, unknown>>, message: string): void {
    const nowMs = this.#now();
    const kind = this.#isRoomFor(what, nowMs) ? what : others;
    const known = this.#kinds.get(kind);
    if (known && nowMs - known.saidMs < pauseMs) {
      known.unsaid += 1;
      return;
    }
    this.#kinds.set(kind, { saidMs: nowMs, unsaid: 0 });
    this.#log.warn({ ...fields, ...(known && known.unsaid > 0 && { more_before: known.unsaid }) }, message);
  }
  #isRoomFor(kind: string, nowMs: number): boolean {
    if (this.#kinds.has(kind) || this.#kinds.size < maxKinds) return true;
    for (const [known, { saidMs }] of this.#kinds) if (nowMs - saidMs >= pauseMs) this.#kinds.delete(known);
    return this.#kinds.size < maxKinds;
  }
}
