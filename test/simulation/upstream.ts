/** The way from a node to its databases: it dials, the server takes it in, lets it log in or not, and closes it. */
import type { Connection } from './connection.js';
import type { Envoy, Neighbours } from './envoy.js';
import { killSessionMs, loginTimeoutMs } from './traits.js';

export class Upstream {
  readonly #node: Envoy;
  readonly #beside: Neighbours;

  constructor(node: Envoy, beside: Neighbours) {
    this.#node = node;
    this.#beside = beside;
  }

  /**
   * The kernel connects, also while the process stands still.
   *
   * @param byMs on the node's monotonic clock: later than this it is not waited for
   */
  dial(connection: Connection, server: string, byMs: number): void {
    const { agenda } = this.#beside;
    const { random } = connection;
    connection.dialled = server;
    connection.localAddress = this.#beside.ports.take(this.#node.number, random);
    const { life, clock } = this.#node;
    const patienceMs = byMs - clock.monotonicMs - 20;
    // A SYN that was lost is sent again after a second. For a node that stands still the kernel does it, and nobody gives it up. A
    // MySQL server counts it from its accept on.
    if (this.#beside.traits.isMysql && random.chance(0.1)) {
      agenda.after(1_000, () => {
        if (life !== this.#node.life || connection.isOver) return;
        if (clock.monotonicMs <= byMs || this.#node.isStopped) this.#open(connection, server);
        else this.#node.leave(connection);
      });
      return;
    }
    // Most come through at once, and those that do not, late.
    const isLate = patienceMs > 15 && random.chance(0.1);
    agenda.within(random, isLate ? patienceMs / 2 : 0, isLate ? patienceMs : 15, () => {
      if (life === this.#node.life && !connection.isOver) this.#open(connection, server);
    });
  }

  /** Servers that list logins are thought to take everybody in at once. */
  #open(connection: Connection, server: string): void {
    const { agenda, databases, traits } = this.#beside;
    const { nowMs } = agenda;
    connection.isOpen = true;
    if (traits.listsLogins) this.#start(connection, server, nowMs);
    else
      databases.get(server)!.dial(agenda, (how) => {
        if (how === 'taken in') this.#start(connection, server, nowMs);
        else this.closed(connection);
      });
    this.#node.do(() => {
      connection.isIdKnown ||= traits.isMysql;
      this.#node.reportEach(connection);
    });
    // Somebody who breaks off at once: the server has yet to meet him.
    if (!connection.isPatient && connection.random.chance(0.1))
      this.#node.within(connection, 0, 30, () => this.#node.leave(connection));
  }

  /** The server has a process for it, whether somebody is there yet or not. */
  #start(connection: Connection, server: string, openedMs: number): void {
    const { agenda, databases, traits, truth } = this.#beside;
    const { random, user } = connection;
    // It may have gone before it said a word.
    if (connection.isOver && random.chance(0.3)) return;
    const database = databases.get(server)!;
    const peer = traits.nat
      ? `10.0.2.${this.#node.number}:${10_000 + this.#node.nextSerial()}`
      : connection.localAddress!;
    const session = database.open({ server, owner: connection, user, peer, openedMs }, agenda.nowMs);
    connection.session = session;
    this.#node.say?.(`${connection.id} opens ${session.serverId} of ${user} from ${peer} at ${server}`);
    truth.compare(session);
    if (connection.isOver) {
      this.abandon(connection, false);
      return;
    }
    const isSlow = random.chance(connection.isImpostor ? 0.7 : 0.1);
    agenda.within(random, 0, isSlow ? loginTimeoutMs : 20, () => {
      if (!database.sessions.has(session)) return;
      session.listed = true;
      // He does not get in, or the server has had enough of him.
      if (connection.isImpostor || (!connection.isPatient && random.chance(0.1))) {
        connection.login = random.pick(['failed', 'unavailable', undefined]);
        this.#serverCloses(connection);
      } else {
        database.letIn(session);
        this.#node.do(() => {
          connection.isIdKnown = true;
          connection.login = 'accepted';
          this.#node.loggedIn(connection);
        });
      }
    });
    if (connection.isPatient && !connection.onlyKill) return;
    const { sessionMs } = traits;
    agenda.within(random, 0, connection.onlyKill ? Math.min(killSessionMs, sessionMs) : sessionMs, () => {
      if (connection.isOver) return;
      if (random.chance(0.4)) this.#serverCloses(connection);
      else this.#node.do(() => this.#node.leave(connection));
    });
  }

  /** Its slot is free before its node knows; a MySQL server closes the socket first. */
  closed(connection: Connection): void {
    const evidence = this.#beside.traits.isMysql ? 'proxy-closed' : 'server-closed';
    const { agenda } = this.#beside;
    agenda.within(connection.random, 0, 20, () => this.#node.end(connection, evidence), this.#node);
  }

  #serverCloses(connection: Connection): void {
    const { agenda, databases, traits } = this.#beside;
    const session = connection.session!;
    const database = databases.get(session.server)!;
    if (!database.sessions.has(session)) return;
    if (traits.isMysql) agenda.within(connection.random, 0, 60, () => database.close(session));
    else database.close(session);
    this.closed(connection);
  }

  /** The server notices when it notices; a login ends at the latest when its time is up. */
  abandon({ session, random }: Connection, isSilent: boolean): void {
    if (!session) return;
    const { agenda, databases, traits } = this.#beside;
    const database = databases.get(session.server)!;
    const loginMs = Math.max(0, session.startedMs + loginTimeoutMs - agenda.nowMs);
    const listedMs = isSilent ? Math.max(traits.lingerMs, 3_000) : traits.lingerMs;
    // In a login most servers read, and see at once that nobody is there.
    const mostMs = session.listed ? listedMs : !isSilent && random.chance(0.7) ? 20 : loginMs;
    agenda.within(random, 0, mostMs, () => database.close(session));
  }
}
