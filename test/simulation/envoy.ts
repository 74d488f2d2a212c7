/** One node and its clients: they come, ask, are let in or not, stay, leave; and it reports, late, twice or not at all. */
import type { EndEvidence, LedgerEvent } from '../../xds-server/pure/ledger/events.js';
import type { Plan } from '../../xds-server/pure/plan/plan.js';
import type { Agenda } from './agenda.js';
import type { Check, Grant, Verdict } from './brain.js';
import { type Connection, upstreamOf, type Way } from './connection.js';
import type { Database } from './database.js';
import { Process } from './machine.js';
import type { Ports } from './ports.js';
import { Random } from './random.js';
import type { Seat } from './seat.js';
import { settings, type Traits } from './traits.js';
import type { Truth } from './truth.js';
import { Upstream } from './upstream.js';

type News = Extract<LedgerEvent, { kind: 'report' | 'login' | 'end' }>;

/** Logins are told together, this often, and each once more when it has stood for so long (filters/core/src/logins.rs). */
const tellMs = 200;
const againMs = 600;

/**
 * @param plan of which its node has the clusters
 * @returns the server to which that leads which the grant says; undefined: nowhere, any more or yet
 */
export type LeadsTo = (grant: Grant, plan: Plan) => string | undefined;
/** @param nowMs on the node's monotonic clock, when it acts on the grant */
export type IsExpired = (grant: Grant, nowMs: number) => boolean;
/** @returns until when, on the node's monotonic clock, a connection may come to stand by the grant */
export type ConnectsBy = (grant: Grant) => number;

export interface Neighbours {
  readonly agenda: Agenda;
  readonly traits: Traits;
  readonly databases: ReadonlyMap<string, Database>;
  readonly ports: Ports;
  readonly truth: Truth;
  /** Every connection that any node has had. */
  readonly ever: Map<string, Connection>;
  /** To each brain. */
  readonly ways: readonly Way[];
  readonly trace: ((line: string) => void) | undefined;
  readonly isExpired: IsExpired;
  readonly connectsBy: ConnectsBy;
  readonly leadsTo: LeadsTo;
}

export class Envoy extends Process {
  readonly number: number;
  readonly name: string;
  /** Those that are not over for it. */
  readonly connections = new Map<string, Connection>();
  readonly #beside: Neighbours;
  readonly #upstream: Upstream;
  /** Undefined where nobody listens: then there is nothing to put into words. */
  readonly say: ((text: string) => void) | undefined;
  /** Which brain is asked and told. */
  #at = 0;
  #serial = 0;
  /** The newest that it was given, of those that are published. */
  #plan: Plan | undefined;
  #planNumber = 0;
  /** From now on nothing is lost. */
  isMended = false;

  constructor(number: number, random: Random, beside: Neighbours) {
    super(beside.agenda, random);
    this.number = number;
    this.name = `n${number}`;
    this.#beside = beside;
    this.#upstream = new Upstream(this, beside);
    const { agenda, trace } = beside;
    this.say = trace && ((text) => trace(`${agenda.nowMs} ${text}`));
    this.#at = random.between(0, beside.ways.length - 1);
    for (const way of beside.ways) way.wire.broken = () => this.#onBroken(way);
  }

  get ways(): readonly Way[] {
    return this.#beside.ways;
  }

  get #way(): Way {
    return this.#beside.ways[this.#at]!;
  }

  /** Clusters come whole and in their order; one that is overtaken is left out. @param number the newer, the larger */
  configure(plan: Plan, number: number): void {
    this.do(() => {
      if (number <= this.#planNumber) return;
      this.#plan = plan;
      this.#planNumber = number;
    });
  }

  has(service: string, cluster: string | undefined): boolean {
    return this.isUp && cluster !== undefined && this.#plan?.services.get(service)?.cluster === cluster;
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
      id: `${this.name}c${this.nextSerial()}`,
      random,
      service,
      tenant: planned.tenant,
      knownTo: 0,
      knownMs: 0,
      onlyKill: false,
      bornMs,
      bornUnixMs: bornMs + this.clock.epochMs,
      user: planned.allow[0]!.user ?? 'anybody',
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
    this.within(connection, 0, 15, () => {
      if (connection.call === 0) this.#ask(connection);
    });
    if (isPatient || !random.chance(0.3)) return;
    this.within(connection, 0, 4_000, () => {
      if (!connection.isOpen) this.leave(connection);
    });
  }

  /** Everything at once, and it says nothing. @param isSilent nor does its machine: nobody's connection is closed */
  crash(isSilent: boolean): void {
    const { ways, agenda } = this.#beside;
    this.die();
    this.#plan = undefined;
    this.#planNumber = 0;
    for (const connection of this.connections.values()) {
      if (connection.isOver) continue;
      this.#forget(connection);
      this.#upstream.abandon(connection, isSilent);
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
      this.within(connection, 0, 300, () => this.leave(connection));
  }

  leave(connection: Connection): void {
    if (connection.isOver) return;
    this.say?.(`${connection.id} leaves`);
    const { check, way } = connection;
    if (check && way && !connection.isAnswered) {
      const { brain, wire } = way;
      check.isGivenUp = true;
      wire.send(connection.random, () => brain.do(() => brain.cancel(check)));
    }
    this.#upstream.abandon(connection, false);
    this.end(connection, connection.dialled === undefined ? 'never-opened' : 'proxy-closed');
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
    this.say?.(`${id} asks, try ${call}`);
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
    this.within(connection, 5, 250, () => {
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
    const { leadsTo, isExpired, connectsBy } = this.#beside;
    connection.isAnswered = true;
    this.say?.(`${connection.id} hears ${JSON.stringify(verdict)} at ${this.clock.monotonicMs}`);
    const isGood = verdict.kind === 'grant' && !isExpired(verdict, this.clock.monotonicMs);
    connection.onlyKill = verdict.kind === 'grant' && verdict.onlyKill;
    const server = isGood && this.#plan ? leadsTo(verdict, this.#plan) : undefined;
    if (server === undefined || verdict.kind !== 'grant') this.end(connection, 'never-opened');
    else this.#upstream.dial(connection, server, connectsBy(verdict));
  }

  reportEach(connection: Connection): void {
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
    this.after(settings.reportIntervalMs, () => this.reportEach(connection));
  }

  loggedIn(connection: Connection): void {
    this.within(connection, 0, tellMs, () => {
      this.#tellLogin(connection);
      this.within(connection, againMs, againMs + tellMs, () => this.#tellLogin(connection));
    });
  }

  #tellLogin(connection: Connection): void {
    const { id, session, isOver } = connection;
    if (isOver || !session) return;
    this.#send(connection, { kind: 'login', connection: id, node: this.name, serverId: session.serverId });
  }

  serverClosed(connection: Connection): void {
    this.#upstream.closed(connection);
  }

  end(connection: Connection, evidence: EndEvidence): void {
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
    const { id, localAddress } = connection;
    connection.isOver = true;
    this.connections.delete(id);
    if (localAddress !== undefined) this.#beside.ports.release(localAddress);
  }

  /** Of whatever has to be told from others. */
  nextSerial(): number {
    return ++this.#serial;
  }

  /** News. */
  #send({ random }: Connection, event: News): void {
    const { traits } = this.#beside;
    const { brain, wire } = this.#way;
    wire.tell(random, this.isMended ? 0 : traits.lossy, () => brain.do(() => brain.tell(event)));
  }

  within({ random }: Connection, leastMs: number, mostMs: number, thing: () => void): void {
    this.after(random.between(leastMs, mostMs), thing);
  }
}
