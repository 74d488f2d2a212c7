/**
 * A world for the ledger to live in: clients come and go, nodes carry out its verdicts and report, databases hold the
 * sessions that there really are, an observer asks them, and all of it late, lost, twice and out of order. The world
 * knows the truth and compares; the ledger is told only what a real one would be.
 *
 * What the world assumes, as the real thing must provide:
 *   - a node acts on a grant within its ttl, gives up connecting after connect_timeout, and after a client's leaving
 *     opens nothing;
 *   - a server gives up a login after loginTimeoutMs;
 *   - after a restart of the brain each node that is alive and connected reports each connection within the interval.
 *     Where the servers list no logins this includes that no node is cut off, and that a server notices at once when a
 *     client leaves in the middle of its login: such a login is known to its node alone.
 */
import type {
  EndEvidence,
  LedgerEffect,
  LedgerEvent,
  UpstreamFacts,
} from '../../xds-server/pure/ledger/events.js';
import { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import { confirmationMs, type LedgerSettings, recoveryMs } from '../../xds-server/pure/ledger/settings.js';
import type { Plan } from '../../xds-server/pure/plan/plan.js';
import { Agenda } from './agenda.js';
import { Database, type DatabaseSession } from './database.js';
import { drawPlan, redrawPlan } from './plans.js';
import { Random } from './random.js';
import { drawTraits, loginTimeoutMs, settings, type Traits } from './traits.js';

export class Violation extends Error {}

interface Connection {
  readonly id: string;
  readonly node: number;
  readonly service: string;
  readonly bornMs: number;
  /** Over for its node. */
  gone: boolean;
  /** The newest check; answers to earlier ones concern nobody. */
  call: number;
  answered: boolean;
  dialled: string | undefined;
  localAddress: string | undefined;
  session: DatabaseSession | undefined;
  idKnown: boolean;
}

export class World {
  readonly traits: Traits;
  readonly #random: Random;
  readonly #agenda = new Agenda();
  readonly #databases = new Map<string, Database>();
  readonly #connections = new Map<string, Connection>();
  readonly #pending = new Map<string, number>();
  readonly #cutOff = new Set<number>();
  readonly #unobservable = new Set<string>();
  readonly #observing = new Map<string, { pauseMs: number; dueMs: number; asking: boolean }>();
  readonly #plans: { readonly plan: Plan; untilMs: number }[] = [];
  readonly #trace: ((line: string) => void) | undefined;
  readonly #start: (given: LedgerSettings) => Ledger;
  #ledger: Ledger;
  /** Counts the brain's lives; what was on its way to an earlier one is lost. */
  #life = 0;
  #up = true;
  #closing = false;
  #restartedMs = Number.NEGATIVE_INFINITY;
  #tickMs = Number.POSITIVE_INFINITY;
  #serial = 0;
  events = 0;
  granted = 0;
  refused = 0;

  /**
   * @param trace told what the ledger is told and what it answers, for looking at a seed that fails
   * @param start a ledger to live with, at the beginning and after each restart
   */
  constructor(
    seed: number,
    trace?: (line: string) => void,
    start = (given: LedgerSettings): Ledger => new Ledger(given),
  ) {
    this.#trace = trace;
    this.#start = start;
    this.#ledger = start(settings);
    this.#random = new Random(seed);
    this.traits = drawTraits(this.#random);
    const plan = drawPlan(this.#random, this.traits);
    for (const target of plan.targets.keys()) {
      this.#databases.set(target, new Database(this.traits, this.#random));
      this.#observing.set(target, { pauseMs: 10, dueMs: Number.POSITIVE_INFINITY, asking: false });
    }
    this.#plans.push({ plan, untilMs: Number.POSITIVE_INFINITY });
    this.#tell({ kind: 'plan', plan });
    for (const target of this.#databases.keys()) this.#observeIn(target, 0);
    // Most clients come when it has recovered.
    this.#agenda.after(this.#random.chance(0.7) ? recoveryMs(settings) : 0, () => {
      this.#again(this.traits.arrivalMs, () => this.#arrive());
      this.#faults();
    });
  }

  /** Lets so many events reach the ledger, then mends everything, lets everybody go and looks for what stays. */
  run(events: number): void {
    while (this.events < events && this.#agenda.step());
    this.#closing = true;
    this.#cutOff.clear();
    this.#unobservable.clear();
    for (const connection of this.#connections.values())
      this.#agenda.after(this.#random.between(0, 300), () => this.#leave(connection));
    const rest = Math.max(settings.silentAfterMs, this.traits.lingerMs) + loginTimeoutMs;
    const endMs = this.#agenda.nowMs + 3 * rest + 2_000;
    while (this.#agenda.step(endMs));
    this.#check(true);
    const { targets, sessionCount, waiterCount } = this.#ledger.view();
    for (const [name, { sessions }] of this.#databases)
      if (sessions.size > 0)
        throw new Violation(`the world itself kept ${sessions.size} sessions at ${name}`);
    if (sessionCount > 0 || waiterCount > 0)
      throw new Violation(`I4: ${sessionCount} slots and ${waiterCount} waiters stayed: ${this.#dump()}`);
    for (const { name, free, budget, planned } of targets.values())
      if (planned && free !== budget) throw new Violation(`I4: ${name} has ${free} of ${budget} free`);
  }

  get #plan(): Plan {
    return this.#plans.at(-1)!.plan;
  }

  // The brain.

  #tell(event: LedgerEvent): void {
    if (!this.#up) return;
    this.events++;
    const effects = this.#ledger.apply(event, this.#agenda.nowMs);
    this.#trace?.(`${this.#agenda.nowMs} ${JSON.stringify(event)} => ${JSON.stringify(effects)}`);
    for (const effect of effects) this.#carryOut(effect);
    this.#check(this.events % 7 === 0);
    this.#arm();
  }

  #arm(): void {
    const dueMs = this.#ledger.nextDeadlineMs() ?? Number.POSITIVE_INFINITY;
    if (dueMs === Number.POSITIVE_INFINITY || dueMs >= this.#tickMs) return;
    this.#tickMs = dueMs;
    const life = this.#life;
    this.#agenda.after(dueMs - this.#agenda.nowMs, () => {
      if (life !== this.#life || this.#tickMs !== dueMs) return;
      this.#tickMs = Number.POSITIVE_INFINITY;
      this.#tell({ kind: 'tick' });
    });
  }

  #carryOut(effect: LedgerEffect): void {
    if (effect.kind === 'observe') {
      const observing = this.#observing.get(effect.target);
      if (observing) observing.pauseMs = 10;
      this.#observeIn(effect.target, 10);
      return;
    }
    const call = this.#pending.get(effect.connection);
    if (call === undefined) return;
    this.#pending.delete(effect.connection);
    const connection = this.#connections.get(effect.connection)!;
    if (effect.kind === 'grant') this.granted++;
    else this.refused++;
    const nowMs = this.#agenda.nowMs;
    const target = this.#plan.services.get(effect.service)?.target;
    this.#agenda.after(this.#random.between(0, 30), () => {
      if (connection.call !== call || connection.gone) return;
      if (this.#cutOff.has(connection.node)) return this.#retry(connection, call);
      connection.answered = true;
      if (effect.kind === 'refuse' || this.#agenda.nowMs >= nowMs + effect.ttlMs)
        this.#over(connection, 'never-opened');
      else this.#dial(connection, target!);
    });
  }

  #restart(): void {
    this.#up = false;
    this.#life++;
    this.#tickMs = Number.POSITIVE_INFINITY;
    this.#pending.clear();
    for (const observing of this.#observing.values()) {
      observing.asking = false;
      observing.dueMs = Number.POSITIVE_INFINITY;
    }
    for (const connection of this.#connections.values())
      if (!connection.answered && !connection.gone) this.#retry(connection, connection.call);
    this.#agenda.after(this.#random.between(0, 200), () => {
      this.#up = true;
      this.#ledger = this.#start(settings);
      this.#restartedMs = this.#agenda.nowMs;
      this.#tell({ kind: 'plan', plan: this.#plan });
      for (const target of this.#databases.keys()) this.#observeIn(target, 0);
    });
  }

  // Nodes and their clients.

  #arrive(): void {
    const services = [...this.#plan.services.keys()];
    if (services.length === 0) return;
    const connection: Connection = {
      id: `c${++this.#serial}`,
      node: this.#random.between(1, this.traits.nodes),
      service: this.#random.pick(services),
      bornMs: this.#agenda.nowMs,
      gone: false,
      call: 0,
      answered: false,
      dialled: undefined,
      localAddress: undefined,
      session: undefined,
      idKnown: false,
    };
    this.#connections.set(connection.id, connection);
    this.#ask(connection);
    if (this.#random.chance(0.3))
      this.#agenda.after(this.#random.between(0, 400), () => {
        if (!connection.session) this.#leave(connection);
      });
  }

  #ask(connection: Connection): void {
    const call = ++connection.call;
    this.#agenda.after(this.#random.between(0, 15), () => {
      if (connection.gone || connection.call !== call) return;
      if (!this.#up || this.#cutOff.has(connection.node)) return this.#retry(connection, call);
      if (!this.#plan.services.has(connection.service)) return this.#over(connection, 'never-opened');
      this.#pending.set(connection.id, call);
      const { id, node, service, bornMs } = connection;
      const waitedMs = this.#agenda.nowMs - bornMs;
      this.#tell({ kind: 'check', connection: id, node: `n${node}`, service, waitedMs });
      this.#expectAnswer(connection, call);
      // The call breaks, its node notices and asks again.
      if (this.#random.chance(this.traits.lossy / 4)) this.#retry(connection, call);
    });
  }

  /** I3: by the deadline of the plan that is in force then. */
  #expectAnswer(connection: Connection, call: number): void {
    if (connection.gone || this.#pending.get(connection.id) !== call) return;
    const { timeoutMs = 0 } = this.#plan.services.get(connection.service) ?? {};
    const leftMs = connection.bornMs + timeoutMs - this.#agenda.nowMs;
    if (leftMs < 0)
      throw new Violation(
        `I3: ${connection.id} has waited ${timeoutMs - leftMs} of ${timeoutMs} ms: ${this.#dump()}`,
      );
    this.#agenda.after(leftMs + 1, () => this.#expectAnswer(connection, call));
  }

  #retry(connection: Connection, call: number): void {
    this.#agenda.after(this.#random.between(5, 60), () => {
      if (connection.call === call && !connection.gone && !connection.answered) this.#ask(connection);
    });
  }

  /** @param target of the service when it was granted: a grant is good for one database. */
  #dial(connection: Connection, target: string): void {
    const service = this.#plan.services.get(connection.service);
    if (!service) {
      this.#over(connection, 'never-opened');
      return;
    }
    connection.dialled = target;
    connection.localAddress = this.#freeAddress(connection.node);
    const slow = this.#random.chance(0.1) ? settings.connectTimeoutMs : 15;
    this.#agenda.after(this.#random.between(0, slow), () => {
      if (!connection.gone) this.#opened(connection, service.tenant, service.allow[0]!.user ?? 'anybody');
    });
  }

  /** Of few, so that they are soon used again, also while a server still holds on to the one before. */
  #freeAddress(node: number): string {
    const taken = new Set<string | undefined>();
    for (const { gone, localAddress } of this.#connections.values()) if (!gone) taken.add(localAddress);
    for (;;) {
      const address = `10.0.1.${node}:${this.#random.between(1, 40)}`;
      if (!taken.has(address)) return address;
    }
  }

  #opened(connection: Connection, tenant: string, user: string): void {
    const target = connection.dialled!;
    const database = this.#databases.get(target)!;
    const { nat } = this.traits;
    const peer = nat ? `10.0.2.1:${1000 + ++this.#serial}` : connection.localAddress!;
    const session = database.open({
      target,
      service: connection.service,
      tenant,
      user,
      peer,
      openedMs: this.#agenda.nowMs,
    });
    connection.session = session;
    this.#trace?.(`${this.#agenda.nowMs} opened ${connection.id}: ${JSON.stringify(session)}`);
    connection.idKnown = this.traits.idInGreeting;
    this.#compare(session);
    this.#report(connection);
    this.#again(settings.reportIntervalMs, () => !connection.gone && this.#report(connection), connection);
    const slow = this.#random.chance(0.1) ? loginTimeoutMs : 20;
    this.#agenda.after(this.#random.between(0, slow), () => {
      if (!database.sessions.has(session)) return;
      // He did not get in, or the server had enough of him.
      if (this.#random.chance(0.1)) return this.#serverCloses(connection);
      session.listed = true;
      if (!connection.gone) connection.idKnown = true;
    });
    this.#agenda.after(this.#random.between(0, this.traits.sessionMs), () => {
      if (connection.gone) return;
      if (this.#random.chance(0.4)) this.#serverCloses(connection);
      else this.#leave(connection);
    });
  }

  #report(connection: Connection): void {
    const { id, node, service } = connection;
    this.#send(node, () => ({
      kind: 'report',
      connection: id,
      node: `n${node}`,
      service,
      upstream: upstreamOf(connection),
    }));
  }

  #serverCloses(connection: Connection): void {
    const { session } = connection;
    if (!session) return;
    this.#databases.get(session.target)!.sessions.delete(session);
    this.#agenda.after(this.#random.between(0, 20), () => this.#over(connection, 'server-closed'));
  }

  #leave(connection: Connection): void {
    if (connection.gone) return;
    const call = this.#pending.get(connection.id);
    if (call !== undefined && call === connection.call && !this.#cutOff.has(connection.node)) {
      const life = this.#life;
      this.#agenda.after(this.#random.between(0, 20), () => {
        if (life !== this.#life || this.#pending.get(connection.id) !== call) return;
        this.#pending.delete(connection.id);
        this.#tell({ kind: 'cancel', connection: connection.id });
      });
    } else this.#pending.delete(connection.id);
    this.#abandon(connection);
    this.#over(connection, connection.dialled === undefined ? 'never-opened' : 'proxy-closed');
  }

  /** The server notices when it notices; a login ends at the latest when its time is up. */
  #abandon({ session }: Connection): void {
    if (!session) return;
    const { listsLogins, lingerMs, restarts } = this.traits;
    const { sessions } = this.#databases.get(session.target)!;
    const lastMs = session.listed
      ? lingerMs
      : restarts && !listsLogins
        ? settings.marginMs / 2
        : session.openedMs + loginTimeoutMs - this.#agenda.nowMs;
    this.#agenda.after(this.#random.between(0, lastMs), () => sessions.delete(session));
  }

  #over(connection: Connection, evidence: EndEvidence): void {
    if (connection.gone) return;
    connection.gone = true;
    const { id, node, service } = connection;
    const upstream = upstreamOf(connection);
    this.#send(node, () => ({ kind: 'end', connection: id, node: `n${node}`, service, upstream, evidence }));
  }

  /** A node loses everything at once, and says nothing. */
  #crash(node: number): void {
    for (const connection of this.#connections.values()) {
      if (connection.node !== node || connection.gone) continue;
      connection.gone = true;
      this.#abandon(connection);
      if (!this.#pending.delete(connection.id) || this.#random.chance(0.3)) continue;
      this.#tell({ kind: 'cancel', connection: connection.id });
    }
  }

  /** News from a node; it may come late, never or twice. */
  #send(node: number, news: () => LedgerEvent): void {
    const { lossy } = this.traits;
    const life = this.#life;
    const event = news();
    const deliver = () => {
      if (life === this.#life && !this.#cutOff.has(node)) this.#tell(event);
    };
    if (!this.#closing && this.#random.chance(lossy)) return;
    this.#agenda.after(this.#random.between(0, settings.marginMs - 10), deliver);
    if (this.#random.chance(lossy)) this.#agenda.after(this.#random.between(0, 400), deliver);
  }

  // The observer.

  #observeIn(target: string, delayMs: number): void {
    const observing = this.#observing.get(target);
    if (!observing || observing.asking || !this.#up) return;
    const dueMs = this.#agenda.nowMs + delayMs;
    if (dueMs >= observing.dueMs) return;
    observing.dueMs = dueMs;
    const life = this.#life;
    this.#agenda.after(delayMs, () => {
      if (life !== this.#life || observing.dueMs !== dueMs || observing.asking) return;
      observing.dueMs = Number.POSITIVE_INFINITY;
      observing.asking = true;
      observing.pauseMs = Math.min(200, observing.pauseMs * 2);
      this.#question(target, life);
    });
  }

  #question(target: string, life: number): void {
    const askedAtMs = this.#agenda.nowMs;
    const database = this.#databases.get(target)!;
    this.#agenda.after(this.#random.between(0, 15), () => {
      const sessions = database.list();
      this.#agenda.after(this.#random.between(0, 15), () => {
        if (life !== this.#life) return;
        const observing = this.#observing.get(target)!;
        observing.asking = false;
        if (this.#unobservable.has(target)) this.#tell({ kind: 'unobserved', target, problem: 'gone' });
        else {
          const own = [database.observerId];
          const { listsLogins } = this.traits;
          this.#tell({ kind: 'observed', target, askedAtMs, sessions, own, listsLogins, loginTimeoutMs });
        }
        this.#observeIn(target, observing.pauseMs);
      });
    });
  }

  // What goes wrong.

  #faults(): void {
    const { restarts, partitions, crashes, outages, resizes, people, nodes } = this.traits;
    const random = this.#random;
    if (restarts) this.#again(700, () => this.#up && this.#restart());
    if (crashes) this.#again(400, () => this.#crash(random.between(1, nodes)));
    if (resizes) this.#again(200, () => this.#resize());
    if (partitions) this.#again(500, () => this.#forAWhile(this.#cutOff, random.between(1, nodes), 1_500));
    if (outages)
      this.#again(400, () =>
        this.#forAWhile(this.#unobservable, random.pick([...this.#databases.keys()]), 800),
      );
    if (people !== 'none') this.#again(people === 'flood' ? 20 : 150, () => this.#person());
  }

  #forAWhile<Item>(set: Set<Item>, item: Item, mostMs: number): void {
    set.add(item);
    this.#agenda.after(this.#random.between(0, mostMs), () => set.delete(item));
  }

  #resize(): void {
    const plan = redrawPlan(this.#plan, this.#random, this.traits);
    this.#plans.at(-1)!.untilMs = this.#agenda.nowMs;
    this.#plans.push({ plan, untilMs: Number.POSITIVE_INFINITY });
    this.#tell({ kind: 'plan', plan });
  }

  #person(): void {
    const target = this.#random.pick([...this.#databases.keys()]);
    const database = this.#databases.get(target)!;
    if (database.sessions.size > 35) return;
    const peer = `10.7.7.7:${++this.#serial}`;
    const session = database.open({
      target,
      service: undefined,
      tenant: undefined,
      user: 'person',
      peer,
      openedMs: this.#agenda.nowMs,
    });
    session.listed = true;
    this.#agenda.after(this.#random.between(0, 1_000), () => database.sessions.delete(session));
  }

  /** Now and then, `meanMs` apart, until the world closes or the connection is over. */
  #again(meanMs: number, thing: () => void, of?: Connection): void {
    const delay = of ? meanMs : this.#random.between(1, 2 * meanMs);
    this.#agenda.after(delay, () => {
      if (of ? of.gone : this.#closing) return;
      thing();
      this.#again(meanMs, thing, of);
    });
  }

  // What must hold.

  /** I1, at the instant at which a database takes one more. */
  #compare(opened: DatabaseSession): void {
    const { target, service, tenant } = opened;
    const { sessions } = this.#databases.get(target)!;
    const through = [...sessions].filter((session) => session.service !== undefined);
    const inForce = this.#inForce();
    const budget = Math.max(...inForce.map((plan) => plan.targets.get(target)?.budget ?? 0));
    const { restarts, showsUsers, sharedUser } = this.traits;
    // Sessions that nobody reports after a restart are told from people's by their user, or not at all.
    const reserve = restarts && !showsUsers ? this.#plan.targets.get(target)!.reserve : 0;
    if (through.length > budget + reserve)
      throw new Violation(`I1: ${through.length} sessions at ${target}, budget ${budget}: ${this.#dump()}`);
    if (restarts && (!showsUsers || sharedUser)) return;
    const all = [...this.#databases.values()].flatMap((database) => [...database.sessions]);
    const ofService = all.filter((session) => session.service === service).length;
    const limit = Math.max(...inForce.map((plan) => plan.services.get(service!)?.maxConnections ?? 0));
    if (ofService > limit)
      throw new Violation(`I1: ${ofService} sessions of ${service}, limit ${limit}: ${this.#dump()}`);
    // After a restart a tenant does not wait at one database for another of its databases to be counted.
    if (restarts) return;
    const ofTenant = all.filter((session) => session.tenant === tenant).length;
    const most = Math.max(
      ...inForce.map((plan) => plan.tenants.get(tenant!)?.maxConnections ?? Number.POSITIVE_INFINITY),
    );
    if (ofTenant > most)
      throw new Violation(`I1: ${ofTenant} sessions of tenant ${tenant}, limit ${most}: ${this.#dump()}`);
  }

  /** Plans under which something that opens now may have been granted. */
  #inForce(): Plan[] {
    const sinceMs = this.#agenda.nowMs - confirmationMs(settings);
    return this.#plans.filter(({ untilMs }) => untilMs >= sinceMs).map(({ plan }) => plan);
  }

  #check(thoroughly: boolean): void {
    if (!thoroughly) return;
    const contradictions = this.#ledger.audit();
    if (contradictions.length > 0) throw new Violation(`audit: ${contradictions.join('; ')}`);
  }

  #dump(): string {
    const { sessions } = this.#ledger.view({ sessions: 100 });
    return JSON.stringify({
      atMs: this.#agenda.nowMs,
      restartedMs: this.#restartedMs,
      traits: this.traits,
      sessions,
    });
  }
}

function upstreamOf({ dialled, localAddress, session, idKnown }: Connection): UpstreamFacts {
  if (dialled === undefined) return {};
  return {
    remoteAddress: serverOf(dialled),
    ...(session && localAddress !== undefined && { localAddress }),
    ...(session && idKnown && { serverId: session.serverId }),
  };
}

/** `t1/primary` is at 10.0.0.1:5432. */
function serverOf(target: string): string {
  return `10.0.0.${target[1]}:5432`;
}
