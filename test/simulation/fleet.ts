/** Nodes and their clients: they come, ask, are let in or not, stay, leave; and report, late, twice or not at all. */
import type {
  EndEvidence,
  LedgerEffect,
  LedgerEvent,
  UpstreamFacts,
} from '../../xds-server/pure/ledger/events.js';
import type { Agenda } from './agenda.js';
import type { Brain } from './brain.js';
import type { Database, DatabaseSession } from './database.js';
import type { Random } from './random.js';
import { killSessionMs, loginTimeoutMs, settings, type Traits } from './traits.js';
import type { Truth } from './truth.js';
import { Violation } from './violation.js';

interface Connection {
  readonly id: string;
  readonly node: number;
  readonly service: string;
  readonly bornMs: number;
  /** Its client's address, where the node knows it. */
  readonly source: string | undefined;
  /** As its node has followed it. */
  login: UpstreamFacts['login'];
  /** Over for its node. */
  isOver: boolean;
  /** The newest check; answers to earlier ones concern nobody. */
  call: number;
  isAnswered: boolean;
  onlyKill: boolean;
  dialled: string | undefined;
  localAddress: string | undefined;
  session: DatabaseSession | undefined;
  isIdKnown: boolean;
}

type Answer = Exclude<LedgerEffect, { kind: 'observe' }>;

export class Fleet {
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #traits: Traits;
  readonly #brain: Brain;
  readonly #databases: ReadonlyMap<string, Database>;
  readonly #truth: Truth;
  readonly #trace: ((line: string) => void) | undefined;
  readonly #connections = new Map<string, Connection>();
  /** Checks that the brain holds. */
  readonly #held = new Map<string, number>();
  /** Nodes that neither reach the brain nor are reached by it. */
  readonly cutOff = new Set<number>();
  #serial = 0;
  /** From now on nothing is lost. */
  isMended = false;
  granted = 0;
  refused = 0;

  constructor(
    agenda: Agenda,
    random: Random,
    traits: Traits,
    brain: Brain,
    databases: ReadonlyMap<string, Database>,
    truth: Truth,
    trace: ((line: string) => void) | undefined,
  ) {
    this.#agenda = agenda;
    this.#random = random;
    this.#traits = traits;
    this.#brain = brain;
    this.#databases = databases;
    this.#truth = truth;
    this.#trace = trace;
  }

  arrive(): void {
    const services = [...this.#truth.plan.services.keys()];
    if (services.length === 0) return;
    const connection: Connection = {
      id: `c${++this.#serial}`,
      node: this.#random.between(1, this.#traits.nodes),
      service: this.#random.pick(services),
      bornMs: this.#agenda.nowMs,
      source:
        this.#traits.sources > 0 ? `10.8.0.${this.#random.between(1, this.#traits.sources)}` : undefined,
      login: undefined,
      isOver: false,
      call: 0,
      isAnswered: false,
      onlyKill: false,
      dialled: undefined,
      localAddress: undefined,
      session: undefined,
      isIdKnown: false,
    };
    this.#connections.set(connection.id, connection);
    this.#ask(connection);
    if (!this.#random.chance(0.3)) return;
    this.#after(0, 400, () => {
      if (!connection.session) this.#leave(connection);
    });
  }

  answer(effect: Answer): void {
    const call = this.#held.get(effect.connection);
    if (call === undefined) return;
    this.#held.delete(effect.connection);
    if (effect.kind === 'grant') this.granted++;
    else this.refused++;
    const connection = this.#connections.get(effect.connection)!;
    const saidMs = this.#agenda.nowMs;
    const target = this.#truth.plan.services.get(effect.service)?.target;
    this.#after(0, 30, () => {
      if (connection.call !== call || connection.isOver) return;
      if (this.cutOff.has(connection.node)) {
        this.#askAgain(connection, call);
        return;
      }
      connection.isAnswered = true;
      connection.onlyKill = effect.kind === 'grant' && effect.onlyKill !== undefined;
      const isGood = effect.kind === 'grant' && this.#agenda.nowMs < saidMs + effect.ttlMs;
      if (isGood && target !== undefined) this.#dial(connection, target);
      else this.#end(connection, 'never-opened');
    });
  }

  /** The brain is gone, and with it every call: each node asks again. */
  onBrainLost(): void {
    this.#held.clear();
    for (const connection of this.#connections.values())
      if (!connection.isAnswered && !connection.isOver) this.#askAgain(connection, connection.call);
  }

  /** A node loses everything at once, and says nothing. */
  crash(node: number): void {
    for (const connection of this.#connections.values()) {
      if (connection.node !== node || connection.isOver) continue;
      connection.isOver = true;
      this.#abandon(connection);
      if (this.#held.delete(connection.id) && this.#random.chance(0.7))
        this.#brain.tell({ kind: 'cancel', connection: connection.id });
    }
  }

  everybodyLeaves(): void {
    for (const connection of this.#connections.values()) this.#after(0, 300, () => this.#leave(connection));
  }

  #ask(connection: Connection): void {
    const call = ++connection.call;
    this.#after(0, 15, () => {
      if (connection.isOver || connection.call !== call) return;
      if (!this.#brain.isUp || this.cutOff.has(connection.node)) {
        this.#askAgain(connection, call);
        return;
      }
      if (!this.#truth.plan.services.has(connection.service)) {
        this.#end(connection, 'never-opened');
        return;
      }
      this.#held.set(connection.id, call);
      const { id, node, service, bornMs, source } = connection;
      const waitedMs = this.#agenda.nowMs - bornMs;
      const from = source === undefined ? {} : { source };
      this.#brain.tell({ kind: 'check', connection: id, node: `n${node}`, service, waitedMs, ...from });
      this.#expectAnswer(connection, call);
      // The call breaks, its node notices and asks again.
      if (this.#random.chance(this.#traits.lossy / 4)) this.#askAgain(connection, call);
    });
  }

  #askAgain(connection: Connection, call: number): void {
    this.#after(5, 60, () => {
      if (connection.call === call && !connection.isOver && !connection.isAnswered) this.#ask(connection);
    });
  }

  /** I3: by the deadline of the plan that is in force then. */
  #expectAnswer(connection: Connection, call: number): void {
    if (connection.isOver || this.#held.get(connection.id) !== call) return;
    const { timeoutMs = 0 } = this.#truth.plan.services.get(connection.service) ?? {};
    const leftMs = connection.bornMs + timeoutMs - this.#agenda.nowMs;
    if (leftMs < 0)
      throw new Violation(
        `I3: ${connection.id} has waited ${timeoutMs - leftMs} ms, expected ${timeoutMs} at most`,
      );
    this.#agenda.after(leftMs + 1, () => this.#expectAnswer(connection, call));
  }

  /** @param target of the service when it was granted: a grant is good for one database. */
  #dial(connection: Connection, target: string): void {
    const service = this.#truth.plan.services.get(connection.service);
    if (!service) {
      this.#end(connection, 'never-opened');
      return;
    }
    connection.dialled = target;
    connection.localAddress = this.#freeAddress(connection.node);
    const mostMs = this.#random.chance(0.1) ? settings.connectTimeoutMs : 15;
    this.#after(0, mostMs, () => {
      if (!connection.isOver)
        this.#open(connection, target, service.tenant, service.allow[0]!.user ?? 'anybody');
    });
  }

  /** Of few, so that they are soon used again, also while a server still holds on to the one before. */
  #freeAddress(node: number): string {
    const taken = new Set<string | undefined>();
    for (const { isOver, localAddress } of this.#connections.values()) if (!isOver) taken.add(localAddress);
    for (;;) {
      const address = `10.0.1.${node}:${this.#random.between(1, 40)}`;
      if (!taken.has(address)) return address;
    }
  }

  #open(connection: Connection, target: string, tenant: string, user: string): void {
    const database = this.#databases.get(target)!;
    const peer = this.#traits.nat ? `10.0.2.1:${1_000 + ++this.#serial}` : connection.localAddress!;
    const { service, onlyKill } = connection;
    const openedMs = this.#agenda.nowMs;
    const session = database.open({ target, service, tenant, user, peer, openedMs, onlyKill });
    connection.session = session;
    connection.isIdKnown = this.#traits.idInGreeting;
    this.#trace?.(`${this.#agenda.nowMs} opened ${connection.id}: ${JSON.stringify(session)}`);
    this.#truth.compare(session);
    this.#reportEach(connection);
    this.#after(0, this.#random.chance(0.1) ? loginTimeoutMs : 20, () => {
      if (!database.sessions.has(session)) return;
      session.listed = true;
      // He does not get in, or the server has had enough of him.
      if (this.#random.chance(0.1)) {
        connection.login = this.#random.pick(['failed', 'unavailable', undefined]);
        this.#serverCloses(connection);
      } else if (!connection.isOver) {
        connection.isIdKnown = true;
        connection.login = 'accepted';
      }
    });
    this.#after(
      0,
      onlyKill ? Math.min(killSessionMs, this.#traits.sessionMs) : this.#traits.sessionMs,
      () => {
        if (connection.isOver) return;
        if (this.#random.chance(0.4)) this.#serverCloses(connection);
        else this.#leave(connection);
      },
    );
  }

  #reportEach(connection: Connection): void {
    if (connection.isOver) return;
    const { id, node, service } = connection;
    const upstream = upstreamOf(connection);
    this.#send(node, { kind: 'report', connection: id, node: `n${node}`, service, upstream });
    this.#agenda.after(settings.reportIntervalMs, () => this.#reportEach(connection));
  }

  /** Its slot is free before its node knows. */
  #serverCloses(connection: Connection): void {
    const { session } = connection;
    if (!session) return;
    this.#databases.get(session.target)!.sessions.delete(session);
    this.#after(0, 20, () => this.#end(connection, 'server-closed'));
  }

  #leave(connection: Connection): void {
    if (connection.isOver) return;
    const { id, node } = connection;
    const call = this.#held.get(id);
    const { life } = this.#brain;
    if (call === undefined || call !== connection.call || this.cutOff.has(node)) this.#held.delete(id);
    else
      this.#after(0, 20, () => {
        if (life !== this.#brain.life || this.#held.get(id) !== call) return;
        this.#held.delete(id);
        this.#brain.tell({ kind: 'cancel', connection: id });
      });
    this.#abandon(connection);
    this.#end(connection, connection.dialled === undefined ? 'never-opened' : 'proxy-closed');
  }

  /** The server notices when it notices; a login ends at the latest when its time is up. */
  #abandon({ session }: Connection): void {
    if (!session) return;
    const { listsLogins, lingerMs, restarts } = this.#traits;
    const { sessions } = this.#databases.get(session.target)!;
    const loginMs =
      restarts && !listsLogins
        ? settings.marginMs / 2
        : session.openedMs + loginTimeoutMs - this.#agenda.nowMs;
    this.#after(0, session.listed ? lingerMs : loginMs, () => sessions.delete(session));
  }

  #end(connection: Connection, evidence: EndEvidence): void {
    if (connection.isOver) return;
    connection.isOver = true;
    const { id, node, service } = connection;
    const upstream = upstreamOf(connection);
    this.#send(node, { kind: 'end', connection: id, node: `n${node}`, service, upstream, evidence });
  }

  /** News from a node. */
  #send(node: number, event: LedgerEvent): void {
    const { life } = this.#brain;
    const deliver = (): void => {
      if (life === this.#brain.life && !this.cutOff.has(node)) this.#brain.tell(event);
    };
    if (!this.isMended && this.#random.chance(this.#traits.lossy)) return;
    this.#after(0, settings.marginMs - 10, deliver);
    if (this.#random.chance(this.#traits.lossy)) this.#after(0, 400, deliver);
  }

  #after(leastMs: number, mostMs: number, thing: () => void): void {
    this.#agenda.after(this.#random.between(leastMs, Math.max(leastMs, mostMs)), thing);
  }
}

function upstreamOf({ dialled, localAddress, session, isIdKnown, login }: Connection): UpstreamFacts {
  if (dialled === undefined) return {};
  return {
    remoteAddress: serverOf(dialled),
    ...(session && localAddress !== undefined && { localAddress }),
    ...(session && isIdKnown && { serverId: session.serverId }),
    ...(login && { login }),
  };
}

/** `t1/primary` is at 10.0.0.1:5432. */
function serverOf(target: string): string {
  return `10.0.0.${target[1]}:5432`;
}
