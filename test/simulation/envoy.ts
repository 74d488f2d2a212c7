/** One node and its clients: they come, ask, are let in or not, stay, leave; and it reports, late, twice or not at all. */
import type { EndEvidence, LedgerEvent, UpstreamFacts } from '../../xds-server/pure/ledger/events.js';
import type { Agenda } from './agenda.js';
import type { Brain, Check, Grant, Verdict } from './brain.js';
import type { Database, DatabaseSession, Owner } from './database.js';
import { Process } from './machine.js';
import { Random } from './random.js';
import type { Seat } from './seat.js';
import { killSessionMs, loginTimeoutMs, settings, type Traits } from './traits.js';
import type { Truth } from './truth.js';
import type { Wire } from './wire.js';

type News = Extract<LedgerEvent, { kind: 'report' | 'end' }>;

export interface Connection extends Owner {
  /** Everything that happens by chance to it. */
  readonly random: Random;
  readonly bornMs: number;
  readonly bornUnixMs: number;
  /** As its node has followed it. */
  login: UpstreamFacts['login'];
  /** When its check was first sent. */
  sentMs: number | undefined;
  /** The newest try; answers to earlier ones concern nobody. */
  call: number;
  check: Check | undefined;
  way: Way | undefined;
  isAnswered: boolean;
  dialled: string | undefined;
  localAddress: string | undefined;
  /** The server's kernel has taken it; there is no process yet. */
  isOpen: boolean;
  session: DatabaseSession | undefined;
  isIdKnown: boolean;
  readonly isPatient: boolean;
}

/** @param nowMs on the node's monotonic clock, when it acts on the grant */
export type IsExpired = (grant: Grant, nowMs: number) => boolean;

export interface Way {
  readonly brain: Brain;
  readonly wire: Wire;
}

export interface Neighbours {
  readonly agenda: Agenda;
  readonly traits: Traits;
  readonly databases: ReadonlyMap<string, Database>;
  readonly truth: Truth;
  /** Every connection that any node has had. */
  readonly ever: Map<string, Connection>;
  /** To each brain. */
  readonly ways: readonly Way[];
  readonly trace: ((line: string) => void) | undefined;
  readonly isExpired: IsExpired;
}

export class Envoy extends Process {
  readonly number: number;
  readonly name: string;
  /** Those that are not over for it. */
  readonly connections = new Map<string, Connection>();
  readonly #beside: Neighbours;
  readonly #ports = new Set<string>();
  /** Undefined where nobody listens: then there is nothing to put into words. */
  readonly #say: ((text: string) => void) | undefined;
  /** Which brain is asked and told. */
  #at = 0;
  #serial = 0;
  /** From now on nothing is lost. */
  isMended = false;

  constructor(number: number, random: Random, beside: Neighbours) {
    super(beside.agenda, random);
    this.number = number;
    this.name = `n${number}`;
    this.#beside = beside;
    const { agenda, trace } = beside;
    this.#say = trace && ((text) => trace(`${agenda.nowMs} ${text}`));
    this.#at = random.between(0, beside.ways.length - 1);
    for (const way of beside.ways) way.wire.broken = () => this.#onBroken(way);
  }

  get ways(): readonly Way[] {
    return this.#beside.ways;
  }

  get #way(): Way {
    return this.#beside.ways[this.#at]!;
  }

  /** @param isPatient comes and stays, whatever chance says */
  arrive(service: string, seed: number, isPatient = false): void {
    const { truth, traits, ever } = this.#beside;
    const planned = truth.plan.services.get(service);
    if (!planned || !this.isUp) return;
    const random = new Random(seed);
    const bornMs = this.clock.monotonicMs;
    const from = traits.sources > 0 ? random.between(1, traits.sources) : undefined;
    const isImpostor = !isPatient && traits.impostors && traits.sources > 1 && from === 1;
    const connection: Connection = {
      id: `${this.name}c${++this.#serial}`,
      random,
      service,
      tenant: planned.tenant,
      knownTo: 0,
      knownMs: 0,
      onlyKill: false,
      bornMs,
      bornUnixMs: bornMs + this.clock.epochMs,
      source: from === undefined ? undefined : `10.8.0.${isPatient ? 0 : from}`,
      isImpostor,
      login: undefined,
      sentMs: undefined,
      isOver: false,
      call: 0,
      check: undefined,
      way: undefined,
      isAnswered: false,
      dialled: undefined,
      localAddress: undefined,
      isOpen: false,
      session: undefined,
      isIdKnown: false,
      isPatient,
    };
    this.connections.set(connection.id, connection);
    ever.set(connection.id, connection);
    this.#within(connection, 0, 15, () => {
      if (connection.call === 0) this.#ask(connection);
    });
    if (isPatient || !random.chance(0.3)) return;
    this.#within(connection, 0, 4_000, () => {
      if (!connection.isOpen) this.leave(connection);
    });
  }

  /** Everything at once, and it says nothing. @param isSilent nor does its machine: nobody's connection is closed */
  crash(isSilent: boolean): void {
    const { ways, agenda } = this.#beside;
    this.die();
    for (const connection of this.connections.values()) {
      if (connection.isOver) continue;
      this.#forget(connection);
      this.#abandon(connection, isSilent);
    }
    for (const { brain, wire } of ways) {
      const { connection } = wire;
      agenda.after(isSilent ? 2_000 : 20, () => {
        if (connection === wire.connection && !wire.isCut) wire.break();
        else brain.do(() => brain.hangUp(this.name));
      });
    }
  }

  /** What it says of a connection that is another node's. */
  forge(id: string, service: string, random: Random, seat: Seat): void {
    // A connection is the node's that spoke of it first, and nobody can guess one of which nothing was said yet.
    if (seat.ledger.nodeOf(id) === undefined) return;
    const of = { connection: id, node: this.name, service };
    const upstream = { remoteAddress: '10.0.0.1:5432', serverId: random.between(1, 60) };
    const evidence = random.pick(['server-closed', 'never-opened'] as const);
    const question = { ...of, source: undefined, bornMs: 0, sentMs: 0, frontId: undefined };
    const what = random.between(1, 4);
    if (what <= 2) seat.tell({ kind: 'end', ...of, upstream: {}, evidence });
    else if (what === 3) seat.tell({ kind: 'report', ...of, upstream });
    else seat.admission.ask(question, { answer: () => undefined, clockAt: (ms) => ms });
  }

  everybodyLeaves(): void {
    for (const connection of [...this.connections.values()])
      this.#within(connection, 0, 300, () => this.leave(connection));
  }

  leave(connection: Connection): void {
    if (connection.isOver) return;
    this.#say?.(`${connection.id} leaves`);
    const { check, way } = connection;
    if (check && way && !connection.isAnswered) {
      const { brain, wire } = way;
      check.isGivenUp = true;
      wire.send(connection.random, () => brain.do(() => brain.cancel(check)));
    }
    this.#abandon(connection, false);
    this.#end(connection, connection.dialled === undefined ? 'never-opened' : 'proxy-closed');
  }

  #ask(connection: Connection): void {
    if (connection.isOver) return;
    const way = this.#way;
    const { brain, wire } = way;
    const call = ++connection.call;
    const { id, service, source, random, bornMs, bornUnixMs } = connection;
    const nowMs = this.clock.monotonicMs;
    connection.sentMs ??= nowMs;
    const { sentMs } = connection;
    // Envoy counts it from the first try; the stamps stay those of the first.
    const stamps = {
      monotonicMs: sentMs,
      ageMs: sentMs - bornMs,
      bornUnixMs,
      retriedAfterMs: nowMs - sentMs,
    };
    const reply = (verdict: Verdict): void =>
      wire.send(random, () => this.do(() => this.#answered(connection, call, verdict)));
    const channel = wire.connection;
    this.#say?.(`${id} asks, try ${call}`);
    const check: Check = {
      connection: id,
      node: this.name,
      channel,
      service,
      source,
      stamps,
      reply,
      isGivenUp: false,
    };
    connection.check = check;
    connection.way = way;
    wire.send(random, () => {
      if (!brain.isUp) {
        this.#turnFrom(way);
        this.do(() => this.#askAgain(connection, call));
      } else
        brain.do(() => {
          if (channel === wire.connection && !check.isGivenUp) brain.check(check);
        });
    });
  }

  #askAgain(connection: Connection, call: number): void {
    if (connection.call !== call || connection.isOver || connection.isAnswered) return;
    this.#within(connection, 5, 250, () => {
      if (connection.call === call && !connection.isAnswered) this.#ask(connection);
    });
  }

  /** The HTTP/2 connection is given up, by both. */
  #onBroken(way: Way): void {
    const { brain, wire } = way;
    this.#turnFrom(way);
    this.do(() => {
      for (const connection of this.connections.values())
        if (connection.way === way && connection.check!.channel !== wire.connection)
          this.#askAgain(connection, connection.call);
    });
    brain.do(() => brain.hangUp(this.name));
  }

  /** To another brain, if there is one. */
  #turnFrom(way: Way): void {
    if (way === this.#way) this.#at = (this.#at + 1) % this.#beside.ways.length;
  }

  #answered(connection: Connection, call: number, verdict: Verdict): void {
    if (connection.call !== call || connection.isOver || connection.isAnswered) return;
    const { truth, isExpired } = this.#beside;
    connection.isAnswered = true;
    this.#say?.(`${connection.id} hears ${JSON.stringify(verdict)} at ${this.clock.monotonicMs}`);
    const isGood = verdict.kind === 'grant' && !isExpired(verdict, this.clock.monotonicMs);
    // A grant names a cluster; where that leads is what the node has been told last.
    connection.onlyKill = verdict.kind === 'grant' && verdict.onlyKill;
    const target = isGood ? truth.plan.services.get(verdict.service)?.target : undefined;
    if (target === undefined) this.#end(connection, 'never-opened');
    else this.#dial(connection, target);
  }

  #dial(connection: Connection, target: string): void {
    const { truth, agenda } = this.#beside;
    const { random } = connection;
    const user = truth.plan.services.get(connection.service)!.allow[0]!.user ?? 'anybody';
    connection.dialled = target;
    connection.localAddress = this.#freePort(random);
    const { life } = this;
    // The kernel connects, also while the process stands still.
    agenda.within(random, 0, random.chance(0.1) ? settings.connectTimeoutMs - 20 : 15, () => {
      if (life === this.life && !connection.isOver) this.#open(connection, target, user);
    });
  }

  /** Of few, so that they are soon used again, also while a server still holds on to the one before. */
  #freePort(random: Random): string {
    for (;;) {
      const address = `10.0.1.${this.number}:${random.between(1, 60)}`;
      if (this.#ports.has(address)) continue;
      this.#ports.add(address);
      return address;
    }
  }

  /** Servers that list logins are thought to take everybody in at once. */
  #open(connection: Connection, target: string, user: string): void {
    const { agenda, databases, traits } = this.#beside;
    const { nowMs } = agenda;
    connection.isOpen = true;
    if (traits.listsLogins) this.#start(connection, target, user, nowMs);
    else
      databases.get(target)!.dial(agenda, (how) => {
        if (how === 'taken in') this.#start(connection, target, user, nowMs);
        else this.serverClosed(connection);
      });
    this.do(() => {
      connection.isIdKnown ||= traits.isMysql;
      this.#reportEach(connection);
    });
    // Somebody who breaks off at once: the server has yet to meet him.
    if (!connection.isPatient && connection.random.chance(0.1))
      this.#within(connection, 0, 30, () => this.leave(connection));
  }

  /** The server has a process for it, whether somebody is there yet or not. */
  #start(connection: Connection, target: string, user: string, openedMs: number): void {
    const { agenda, databases, traits, truth } = this.#beside;
    const { random } = connection;
    // It may have gone before it said a word.
    if (connection.isOver && random.chance(0.3)) return;
    const database = databases.get(target)!;
    const peer = traits.nat ? `10.0.2.${this.number}:${10_000 + ++this.#serial}` : connection.localAddress!;
    const session = database.open({ target, owner: connection, user, peer, openedMs });
    connection.session = session;
    this.#say?.(`${connection.id} opens ${session.serverId} of ${user} from ${peer} at ${target}`);
    truth.compare(session);
    if (connection.isOver) {
      this.#abandon(connection, false);
      return;
    }
    const leftMs = Math.max(0, openedMs + loginTimeoutMs - agenda.nowMs);
    const isSlow = random.chance(connection.isImpostor ? 0.7 : 0.1);
    agenda.within(random, 0, isSlow ? leftMs : Math.min(20, leftMs), () => {
      if (!database.sessions.has(session)) return;
      session.listed = true;
      // He does not get in, or the server has had enough of him.
      if (connection.isImpostor || (!connection.isPatient && random.chance(0.1))) {
        connection.login = random.pick(['failed', 'unavailable', undefined]);
        this.#serverCloses(connection);
      } else {
        database.letIn(session);
        this.do(() => {
          connection.isIdKnown = true;
          connection.login = 'accepted';
        });
      }
    });
    if (connection.isPatient && !connection.onlyKill) return;
    const { sessionMs } = traits;
    agenda.within(random, 0, connection.onlyKill ? Math.min(killSessionMs, sessionMs) : sessionMs, () => {
      if (connection.isOver) return;
      if (random.chance(0.4)) this.#serverCloses(connection);
      else this.do(() => this.leave(connection));
    });
  }

  #reportEach(connection: Connection): void {
    if (connection.isOver) return;
    const { id, service } = connection;
    const upstream = upstreamOf(connection);
    this.#send(connection, {
      kind: 'report',
      connection: id,
      node: this.name,
      service,
      upstream,
    });
    this.after(settings.reportIntervalMs, () => this.#reportEach(connection));
  }

  /** Its slot is free before its node knows; a MySQL server closes the socket first. */
  serverClosed(connection: Connection): void {
    const evidence = this.#beside.traits.isMysql ? 'proxy-closed' : 'server-closed';
    const { life } = this;
    this.#beside.agenda.within(connection.random, 0, 20, () => {
      if (life === this.life) this.do(() => this.#end(connection, evidence));
    });
  }

  #serverCloses(connection: Connection): void {
    const { agenda, databases, traits } = this.#beside;
    const session = connection.session!;
    const database = databases.get(session.target)!;
    if (!database.sessions.has(session)) return;
    if (traits.isMysql) agenda.within(connection.random, 0, 60, () => database.close(session));
    else database.close(session);
    this.serverClosed(connection);
  }

  /** The server notices when it notices; a login ends at the latest when its time is up. */
  #abandon({ session, random }: Connection, isSilent: boolean): void {
    if (!session) return;
    const { agenda, databases, traits } = this.#beside;
    const database = databases.get(session.target)!;
    const loginMs = Math.max(0, session.openedMs + loginTimeoutMs - agenda.nowMs);
    const listedMs = isSilent ? Math.max(traits.lingerMs, 3_000) : traits.lingerMs;
    // In a login most servers read, and see at once that nobody is there.
    const mostMs = session.listed ? listedMs : !isSilent && random.chance(0.7) ? 20 : loginMs;
    agenda.within(random, 0, mostMs, () => database.close(session));
  }

  #end(connection: Connection, evidence: EndEvidence): void {
    if (connection.isOver) return;
    this.#forget(connection);
    const { id, service } = connection;
    const upstream = upstreamOf(connection);
    this.#send(connection, {
      kind: 'end',
      connection: id,
      node: this.name,
      service,
      upstream,
      evidence,
    });
  }

  #forget(connection: Connection): void {
    connection.isOver = true;
    this.connections.delete(connection.id);
    if (connection.localAddress !== undefined) this.#ports.delete(connection.localAddress);
  }

  /** News. */
  #send({ random }: Connection, event: News): void {
    const { traits } = this.#beside;
    const { brain, wire } = this.#way;
    wire.tell(random, this.isMended ? 0 : traits.lossy, () => brain.do(() => brain.tell(event)));
  }

  #within({ random }: Connection, leastMs: number, mostMs: number, thing: () => void): void {
    this.after(random.between(leastMs, mostMs), thing);
  }
}

function upstreamOf({ dialled, localAddress, isOpen, session, isIdKnown, login }: Connection): UpstreamFacts {
  if (dialled === undefined) return {};
  return {
    remoteAddress: serverOf(dialled),
    ...(isOpen && localAddress !== undefined && { localAddress }),
    ...(session && isIdKnown && { serverId: session.serverId }),
    ...(login && { login }),
  };
}

/** `t1/primary` is at 10.0.0.1:5432. */
function serverOf(target: string): string {
  return `10.0.0.${target[1]}:5432`;
}
