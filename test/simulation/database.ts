import type { ObservedSession, ServerId } from '../../xds-server/pure/ledger/events.js';
import type { Agenda } from './agenda.js';
import type { Random } from './random.js';
import { settings } from './traits.js';

export interface DatabaseTraits {
  /** A server that knows its id from the first byte on, never uses one again, and closes a session's socket first. */
  readonly isMysql: boolean;
  readonly listsLogins: boolean;
  /** Ids are taken at random out of this many and used again, as pids are; undefined: each once. */
  readonly pids: number | undefined;
  readonly showsUsers: boolean;
  /** How long a server may go on with a session whose client has gone. */
  readonly lingerMs: number;
}

/** Whose session it is, as far as anybody knows. */
export interface Owner {
  readonly id: string;
  readonly service: string;
  readonly tenant: string;
  /** The last ledger that granted it or was told of it, and since when; −∞ where it granted it itself. */
  knownTo: number;
  knownMs: number;
  /** It may KILL and nothing else. */
  onlyKill: boolean;
  /** Its client's address, where the node knows it. */
  readonly source: string | undefined;
  /** No login of it is ever accepted. */
  readonly isImpostor: boolean;
  /** For its node. */
  isOver: boolean;
}

/** A session that a simulated database has, whoever knows of it. */
export interface DatabaseSession {
  /** Its address. */
  readonly server: string;
  /** Undefined: people, past the nodes. */
  readonly owner: Owner | undefined;
  readonly user: string;
  readonly serverId: ServerId;
  readonly peer: string;
  /** When its connection was open for its client, and when the server had a process for it. */
  readonly openedMs: number;
  readonly startedMs: number;
  /** As a list shows it: one that says whose a session is says so from when its login is accepted. */
  row: ObservedSession;
  /** Logged in, or a server that lists logins. */
  listed: boolean;
  /** The last ledger whose recovery ended with a list that shows it as logging in. */
  begunTo: number;
  /** The last ledger that was shown it in a list, and the last that was shown whose it is. */
  shownTo: number;
  namedTo: number;
  /** Since when that one was; −∞ where no list before showed it to that one as logging in. */
  namedMs: number;
  /** Since when the last ledger that was shown it has been. */
  firstShownMs: number;
  /** When it was shown last. */
  shownMs: number;
}

/** Most that a process may need from its being taken in until it shows as logging in. */
const startMs = 0.9 * settings.loginStartMs;

export interface SessionList {
  /** Who is logging in and not listed. */
  readonly loggingIn: readonly DatabaseSession[];
  readonly rows: readonly ObservedSession[];
  /** What the rows are of. */
  readonly sessions: readonly DatabaseSession[];
}

/** A server: the truth that the ledger never sees as a whole. */
export class Database {
  readonly sessions = new Set<DatabaseSession>();
  readonly observerId: ServerId;
  readonly #traits: DatabaseTraits;
  readonly #random: Random;
  readonly #ids = new Set<ServerId>();
  #lastId = 1_000_000;
  /** Connections that the kernel has and the server has not, in the order in which they came. */
  readonly #queue: ((how: 'taken in' | 'reset') => void)[] = [];
  #isTakingIn = false;
  #stoppedUntilMs = 0;

  constructor(traits: DatabaseTraits, random: Random) {
    this.#traits = traits;
    this.#random = random;
    this.observerId = this.#newId();
  }

  open(
    of: Pick<DatabaseSession, 'server' | 'owner' | 'user' | 'peer' | 'openedMs'>,
    startedMs = of.openedMs,
  ): DatabaseSession {
    const { server, owner, user, peer, openedMs } = of;
    const serverId = this.#newId();
    const listed = this.#traits.listsLogins;
    const row: ObservedSession = { serverId, peer };
    const session = {
      server,
      owner,
      user,
      serverId,
      peer,
      openedMs,
      startedMs,
      row,
      listed,
      begunTo: 0,
      shownTo: 0,
      firstShownMs: Number.NEGATIVE_INFINITY,
      shownMs: Number.NEGATIVE_INFINITY,
      namedTo: 0,
      namedMs: 0,
    };
    this.sessions.add(session);
    return session;
  }

  /**
   * One after the other, and not while the server stands still.
   *
   * @param started when its process shows; or the server has been killed before
   */
  dial(agenda: Agenda, started: (how: 'taken in' | 'reset') => void): void {
    this.#queue.push((how) => {
      const mostMs = this.#random.chance(0.8) ? 10 : startMs;
      agenda.within(this.#random, 0, how === 'reset' ? 0 : mostMs, () => started(how));
    });
    this.#takeIn(agenda);
  }

  /** It takes nobody in for so long; whom it has goes on. Nobody waits for it longer than a login may take. */
  stop(agenda: Agenda, ms: number): void {
    if (agenda.nowMs < this.#stoppedUntilMs + settings.loginStartMs) return;
    this.#stoppedUntilMs = agenda.nowMs + ms;
  }

  kill(): void {
    for (const answer of this.#queue.splice(0)) answer('reset');
  }

  #takeIn(agenda: Agenda): void {
    if (this.#isTakingIn || this.#queue.length === 0) return;
    this.#isTakingIn = true;
    const leastMs = Math.max(0, this.#stoppedUntilMs - agenda.nowMs);
    agenda.within(this.#random, leastMs, leastMs + 3, () => {
      this.#isTakingIn = false;
      if (agenda.nowMs >= this.#stoppedUntilMs) this.#queue.shift()?.('taken in');
      this.#takeIn(agenda);
    });
  }

  /** Its login is accepted. */
  letIn(session: DatabaseSession): void {
    const { serverId, peer, user } = session;
    session.listed = true;
    if (this.#traits.showsUsers) session.row = { serverId, peer, user };
  }

  close(session: DatabaseSession): void {
    if (this.sessions.delete(session)) this.#ids.delete(session.serverId);
  }

  list(): SessionList {
    const rows: ObservedSession[] = [];
    const sessions: DatabaseSession[] = [];
    const loggingIn: DatabaseSession[] = [];
    for (const session of this.sessions)
      if (session.listed) {
        rows.push(session.row);
        sessions.push(session);
      } else loggingIn.push(session);
    return { rows, sessions, loggingIn };
  }

  #newId(): ServerId {
    const { pids } = this.#traits;
    if (pids === undefined || this.#ids.size >= pids) return ++this.#lastId;
    for (;;) {
      const id = this.#random.between(1, pids);
      if (this.#ids.has(id)) continue;
      this.#ids.add(id);
      return id;
    }
  }
}
