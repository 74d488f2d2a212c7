/**
 * Where sessions are and by what their clients know them: who asks for a session to be stopped comes by another
 * connection, to any node, and brings only that. Whether he may is not decided here.
 *
 *   granted ──▶ reported, again and again ──▶ ended, or not heard of any more
 *
 * After a restart of the brain it is empty; every node's next reports fill it.
 */
import type { ConnectionId, NodeId, ServerId } from '../ledger/events.js';

export interface KnownSession {
  readonly connection: ConnectionId;
  /** What other nodes say of it is not believed. */
  readonly node: NodeId;
  readonly service: string;
  /** MySQL: the id of the front's greeting, which is not the server's. Undefined in Postgres. */
  readonly frontId: number | undefined;
  /** The server's own id; undefined until its node has reported it. */
  readonly serverId: ServerId | undefined;
  /** Postgres: by what the session's cancel key is recognised (filters/core/src/postgres/cancel.rs). */
  readonly cancelDigest: string | undefined;
  /** The server: `10.0.0.5:5432`. */
  readonly server: string | undefined;
  /** When it was last heard of. */
  readonly seenMs: number;
}

export type SessionReport = Omit<KnownSession, 'seenMs'>;

/** What a node says of a session as soon as it has logged in, before its next report. */
export interface Login extends Pick<SessionReport, 'connection' | 'node' | 'frontId' | 'cancelDigest'> {
  readonly serverId: ServerId;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** More than a brain has slots for; what is beyond cannot be stopped from outside. */
const maxSessions = 500_000;

/**
 * That are found by one number: more servers than give the same one at a time. Numbers are what nodes say, and whoever
 * asks by one looks at all that have it.
 */
const maxOfOneNumber = 64;

/** Texts that are kept of them; more only costs memory. */
const maxServers = 10_000;

export class SessionDirectory {
  readonly #forgetMs: number;
  readonly #sessions = new Map<ConnectionId, Writable<KnownSession>>();
  readonly #byServerId = new Map<ServerId, Set<KnownSession>>();
  readonly #byFrontId = new Map<number, Set<KnownSession>>();
  /** Of the few servers that there are, each text once. */
  readonly #servers = new Map<string, string>();
  #sweptMs = 0;

  /** @param forgetMs a session that is not heard of for this long is no longer known */
  constructor(forgetMs: number) {
    this.#forgetMs = forgetMs;
  }

  /** Leave was given; nothing is known of a server yet, but its client holds the front's id already. */
  granted(session: Pick<KnownSession, 'connection' | 'node' | 'service' | 'frontId'>, nowMs: number): void {
    if (this.#sessions.has(session.connection)) return;
    const { connection, node, service, frontId } = session;
    const unknown = { serverId: undefined, cancelDigest: undefined, server: undefined };
    this.reported({ connection, node, service, frontId, ...unknown }, nowMs);
  }

  reported(report: SessionReport, nowMs: number): void {
    this.#sweep(nowMs);
    const { connection, node, service } = report;
    const known = this.#sessions.get(connection);
    if (known && known.node !== node) return;
    // One that was sent before the login was told may come after it.
    const { serverId = known?.serverId, frontId = known?.frontId } = report;
    const { cancelDigest = known?.cancelDigest, server: named = known?.server } = report;
    const server = this.#shared(named);
    if (known && known.serverId === serverId && known.frontId === frontId) {
      known.cancelDigest = cancelDigest;
      known.server = server;
      known.seenMs = nowMs;
      // It may have been one too many.
      this.#list(known);
      return;
    }
    if (!known && this.#sessions.size >= maxSessions) return;
    if (known) this.#unlist(known);
    const session = { connection, node, service, frontId, serverId, cancelDigest, server, seenMs: nowMs };
    this.#sessions.set(connection, session);
    this.#list(session);
  }

  /** What its next report says too. Of one that is not known nothing follows: whose it is that report says. */
  loggedIn({ connection, node, serverId, frontId, cancelDigest }: Login, nowMs: number): void {
    const known = this.#sessions.get(connection);
    if (!known) return;
    const { service, server } = known;
    this.reported({ connection, node, service, server, serverId, frontId, cancelDigest }, nowMs);
  }

  ended(connection: ConnectionId, node: NodeId): void {
    const session = this.#sessions.get(connection);
    if (session?.node !== node) return;
    this.#sessions.delete(connection);
    this.#unlist(session);
  }

  of(connection: ConnectionId): KnownSession | undefined {
    return this.#sessions.get(connection);
  }

  /** Of all Postgres servers; several servers may use the same number. At most 64. */
  byServerId(id: ServerId): readonly KnownSession[] {
    return [...(this.#byServerId.get(id) ?? [])];
  }

  /** One, but for a chance in hundreds of millions. At most 64. */
  byFrontId(id: number): readonly KnownSession[] {
    return [...(this.#byFrontId.get(id) ?? [])];
  }

  get size(): number {
    return this.#sessions.size;
  }

  #shared(server: string | undefined): string | undefined {
    if (server === undefined) return undefined;
    const known = this.#servers.get(server);
    if (known !== undefined) return known;
    if (this.#servers.size >= maxServers) this.#servers.clear();
    this.#servers.set(server, server);
    return server;
  }

  /** Only by what can be asked for: a Postgres client names the server's id, a MySQL client the front's. */
  #list(session: KnownSession): void {
    if (session.frontId !== undefined) list(this.#byFrontId, session.frontId, session);
    else if (session.serverId !== undefined) list(this.#byServerId, session.serverId, session);
  }

  #unlist(session: KnownSession): void {
    if (session.frontId !== undefined) unlist(this.#byFrontId, session.frontId, session);
    else if (session.serverId !== undefined) unlist(this.#byServerId, session.serverId, session);
  }

  /** A node that is gone says nothing of its sessions' ends. */
  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < this.#forgetMs) return;
    this.#sweptMs = nowMs;
    for (const { connection, node, seenMs } of this.#sessions.values())
      if (nowMs - seenMs >= this.#forgetMs) this.ended(connection, node);
  }
}

function list(index: Map<number, Set<KnownSession>>, id: number, session: KnownSession): void {
  const same = index.get(id);
  if (!same) index.set(id, new Set([session]));
  else if (same.size < maxOfOneNumber) same.add(session);
}

function unlist(index: Map<number, Set<KnownSession>>, id: number, session: KnownSession): void {
  const same = index.get(id);
  if (same?.delete(session) && same.size === 0) index.delete(id);
}
