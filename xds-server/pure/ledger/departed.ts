/** Connections that are over, by id or address: a list that was asked for before their end, and comes after it, may still show them. */
import { isSameSession, isWeak, strength } from './claims.js';
import type { ServerId } from './events.js';
import type { Row, Slot } from './records.js';

const most = 10_000;

interface Ended {
  readonly atMs: number;
  readonly slot: Slot;
  readonly row: Row | undefined;
}

export class Departed {
  readonly #by = new Map<ServerId | string, Ended>();

  /** @param row that was taken for its own */
  add(slot: Slot, row: Row | undefined, nowMs: number): void {
    const key = slot.serverId ?? slot.localAddress;
    if (key === undefined || isWeak(slot)) return;
    if (this.#by.size >= most) this.#by.delete(this.#by.keys().next().value!);
    this.#by.set(key, { atMs: nowMs, slot, row });
  }

  /** The rows that were taken for theirs, and were not: a list that was asked for behind the end shows them. */
  livingAmong(rows: Iterable<Row>, askedAtMs: number): Row[] {
    if (this.#by.size === 0) return [];
    return [...rows].filter(({ serverId, peer }) => {
      const ended = this.#by.get(serverId);
      return ended?.row && ended.atMs < askedAtMs && isSameSession(ended.row.peer, peer);
    });
  }

  /** Of whom a list that was asked for then says all there is. */
  forgetUntil(askedAtMs: number): void {
    for (const [key, { atMs }] of this.#by) if (atMs < askedAtMs) this.#by.delete(key);
  }

  clear(): void {
    this.#by.clear();
  }

  /** Whether somebody who is over had the row's id or address. */
  haveKeyOf({ serverId, peer }: Row): boolean {
    return this.#by.has(serverId) || (peer !== undefined && this.#by.has(peer));
  }

  /** The rows that are theirs; one that somebody else has joined is not meant. */
  among(rows: Iterable<Row>): Row[] {
    if (this.#by.size === 0) return [];
    const found: Row[] = [];
    for (const row of rows) {
      const departed = this.#by.get(row.serverId) ?? this.#by.get(row.peer ?? '');
      if (departed && !row.owner && strength(departed.slot, row) > 0) found.push(row);
    }
    return found;
  }
}
