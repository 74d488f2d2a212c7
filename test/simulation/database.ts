import type { ObservedSession, ServerId } from '../../xds-server/pure/ledger/events.js';
import type { Random } from './random.js';

/** A session that a simulated database has, whoever knows of it. */
export interface DatabaseSession {
  readonly target: string;
  /** Undefined: people, past the nodes. */
  readonly service: string | undefined;
  readonly tenant: string | undefined;
  readonly user: string;
  readonly serverId: ServerId;
  readonly peer: string;
  readonly openedMs: number;
  /** It may KILL and nothing else. */
  readonly onlyKill: boolean;
  /** Logged in, or a server that lists logins. */
  listed: boolean;
}

export interface DatabaseTraits {
  readonly listsLogins: boolean;
  /** Ids are taken at random out of this many and used again, as pids are; undefined: each once, as in MySQL. */
  readonly pids: number | undefined;
  readonly showsUsers: boolean;
}

/** One target's server: the truth that the ledger never sees as a whole. */
export class Database {
  readonly sessions = new Set<DatabaseSession>();
  readonly observerId: ServerId;
  readonly #traits: DatabaseTraits;
  readonly #random: Random;
  #lastId = 1_000_000;

  constructor(traits: DatabaseTraits, random: Random) {
    this.#traits = traits;
    this.#random = random;
    this.observerId = this.#newId();
  }

  open(session: Omit<DatabaseSession, 'serverId' | 'listed'>): DatabaseSession {
    const opened = { ...session, serverId: this.#newId(), listed: this.#traits.listsLogins };
    this.sessions.add(opened);
    return opened;
  }

  list(): ObservedSession[] {
    const rows: ObservedSession[] = [{ serverId: this.observerId, peer: '10.9.9.9:9' }];
    for (const { listed, serverId, peer, user } of this.sessions)
      if (listed) rows.push(this.#traits.showsUsers ? { serverId, peer, user } : { serverId, peer });
    return rows;
  }

  #newId(): ServerId {
    const { pids } = this.#traits;
    if (pids === undefined) return ++this.#lastId;
    const taken = new Set([...this.sessions].map(({ serverId }) => serverId).concat(this.observerId ?? []));
    for (;;) {
      const id = this.#random.between(1, pids);
      if (!taken.has(id)) return id;
    }
  }
}
