/** The rows of one list, found by the server's id or by the peer's address. */
import { isSameSession } from './claims.js';
import type { ObservedSession, ServerId } from './events.js';
import { groupedBy } from './grouped.js';
import type { Row } from './records.js';

const none: readonly Row[] = [];

export class Rows {
  #all: Set<Row> = new Set();
  /** What the rows were made of; undefined where one is not there any more, or the ids do not tell them apart. */
  #shown: readonly ObservedSession[] | undefined;
  #byId = new Map<ServerId, Row[]>();
  #byPeer = new Map<string, Row[]>();

  get all(): ReadonlySet<Row> {
    return this.#all;
  }

  withId(serverId: ServerId): readonly Row[] {
    return this.#byId.get(serverId) ?? none;
  }

  withPeer(peer: string | undefined): readonly Row[] {
    return (peer === undefined ? undefined : this.#byPeer.get(peer)) ?? none;
  }

  /** A database shows what it has shown before, most of the time: then the rows stay, without the owners that were taken from them. */
  read(
    sessions: readonly ObservedSession[],
    step: number,
    nowMs: number,
    earlier: { readonly serverIds: readonly ServerId[]; readonly step: number },
  ): void {
    if (isSameList(sessions, this.#shown)) return;
    const rows = new Set<Row>();
    const begun = new Set(earlier.serverIds);
    for (const { serverId, peer, user } of sessions) {
      const known = this.withId(serverId).find((row) => isSameSession(row.peer, peer));
      const begunBefore = begun.has(serverId) ? earlier.step : undefined;
      const before = { seenStep: step, seenMs: nowMs, begunStep: begunBefore, isOurs: false };
      const { seenStep, seenMs, begunStep, isOurs } = known ?? before;
      const row = { serverId, peer, user, seenStep, seenMs, begunStep, owner: undefined, isOurs };
      rows.add({ ...row, account: 'unknown' });
    }
    this.#all = rows;
    this.#byId = groupedBy(rows, (row) => row.serverId);
    this.#byPeer = groupedBy(rows, (row) => row.peer);
    this.#shown = this.#byId.size === sessions.length ? sessions : undefined;
  }

  remove(row: Row): void {
    this.#all.delete(row);
    this.#shown = undefined;
    forget(this.#byId, row.serverId, row);
    forget(this.#byPeer, row.peer, row);
  }
}

function isSameList(
  sessions: readonly ObservedSession[],
  before: readonly ObservedSession[] | undefined,
): boolean {
  return (
    sessions.length === before?.length &&
    sessions.every((session, i) => {
      const { serverId, peer, user } = before[i]!;
      return session.serverId === serverId && session.peer === peer && session.user === user;
    })
  );
}

function forget<Key>(index: Map<Key, Row[]>, key: Key | undefined, row: Row): void {
  const there = key === undefined ? undefined : index.get(key);
  if (!there) return;
  there.splice(there.indexOf(row), 1);
  if (there.length === 0) index.delete(key!);
}
