/**
 * A world for the ledger to live in: clients come and go, nodes carry out its verdicts and report, databases hold the
 * sessions that there really are, an observer asks them, and all of it late, lost, twice and out of order, on clocks that
 * disagree. The world knows the truth and compares; the brain is told only what a real one would be.
 *
 *   Envoys ══ checks, reports, ends ══ Wires ══▶ Brains (clocks, ledger) ◀── session lists ── Observers
 *     │   ◀═══════════ verdicts ══════════════════════╛      └──── observe ────────────────▶   │
 *     └── open, close ──▶ Databases ◀── Truth counts, and knows the plans                      │
 *                              └────────────────────── lists ──────────────────────────────────┘
 *
 * What the world assumes, as the real thing must provide:
 *   - a node's monotonic clock goes on while the node stands still, and is right to 550 ppm;
 *   - a node looks at the clock when it acts on a grant and opens nothing for a client that has left; its kernel gives up
 *     connecting after connect_timeout, also while the node stands still;
 *   - a server gives up a login after loginTimeoutMs.
 */
import { formatAddress } from '../../xds-server/pure/plan/address.js';
import type { Plan } from '../../xds-server/pure/plan/plan.js';
import { Agenda } from './agenda.js';
import type { Brain } from './brain.js';
import { Brains } from './brains.js';
import type { Connection } from './connection.js';
import { Database } from './database.js';
import { Envoy } from './envoy.js';
import { Judges } from './judges.js';
import type { Process } from './machine.js';
import { Observers, Troubles } from './observers.js';
import { type Parts, shipped } from './parts.js';
import {
  drawPlan,
  longestTimeoutMs,
  moveWithin,
  nameOf,
  redrawPlan,
  serverNumber,
  serverOf,
  serversIn,
  targetAt,
} from './plans.js';
import { Ports } from './ports.js';
import { Random } from './random.js';
import type { Happening, Script, Source } from './script.js';
import type { Seat, Surroundings } from './seat.js';
import { loginTimeoutMs, longestSessionMs, settings, type Traits } from './traits.js';
import { Truth } from './truth.js';
import { Violation } from './violation.js';
import { keepAliveMs, Wire } from './wire.js';

const harmless: ReadonlySet<Happening['kind']> = new Set(['client', 'person', 'forgery', 'move']);
const longestFaultMs = 20_000;
/** Until a node has a plan that is published. */
const mostConfigureMs = 3_000;
/** Until it has one when it has started. */
const startMs = 50;
/** Long enough for clients to get in and be reported, and for those to be gone that came for KILL alone. */
const settleMs = loginTimeoutMs + longestTimeoutMs + 5_000;

/** How long a schedule goes on. */
export interface Length {
  readonly events: number;
  readonly faults: number;
}

export class World {
  readonly traits: Traits;
  readonly brains: Brains;
  events = 0;
  faults = 0;
  granted = 0;
  readonly #source: Source;
  readonly #random: Random;
  readonly #agenda = new Agenda();
  readonly #databases: ReadonlyMap<string, Database>;
  readonly #envoys: readonly Envoy[];
  readonly #ever = new Map<string, Connection>();
  readonly #troubles: Troubles;
  readonly #observers = new WeakMap<Seat, Observers>();
  readonly #truth: Truth;
  readonly #trace: ((line: string) => void) | undefined;
  readonly #happened: Happening[] = [];
  #isRecording = false;
  #people = 0;
  /** The newest plan, which the brain that leads may not have yet, nor the nodes. */
  #wanted: Plan;
  #wantedNumber = 1;

  /** @param trace told what the ledger is told and what it answers, for looking at a seed that fails */
  constructor(source: Source, parts: Parts = shipped, trace?: (line: string) => void) {
    const { traits } = source;
    const agenda = this.#agenda;
    const random = new Random(source.seed ^ 0x5eed);
    this.#source = source;
    this.#random = random;
    this.#trace = trace;
    this.traits = traits;
    trace?.(JSON.stringify(traits));
    const plan = drawPlan(new Random(random.seed()), traits);
    this.#wanted = plan;
    this.#databases = new Map(
      serversIn(traits).map((server) => [
        formatAddress(server),
        new Database(traits, new Random(random.seed())),
      ]),
    );
    const databases = this.#databases;
    this.#troubles = new Troubles(agenda);
    this.brains = new Brains(
      {
        agenda,
        random: new Random(random.seed()),
        count: traits.brains,
        ledger: parts.ledger,
        election: parts.election,
        endsTerms: parts.endsTerms,
        surroundings: this.#surroundings(),
        seated: (seat) => {
          trace?.(`${agenda.nowMs} brain ${(seat.process as Brain).number} leads, ledger ${seat.number}`);
          const chance = new Random(random.seed());
          this.#observers.set(seat, new Observers(agenda, chance, traits, seat, databases, this.#troubles));
        },
      },
      plan,
    );
    const truth = new Truth(agenda, traits, databases, plan, () => ({
      number: this.brains.newest?.number ?? 0,
      startedMs: this.brains.seatedMs,
      recoveryMs: this.brains.recoveryMs,
    }));
    this.#truth = truth;
    const ports = new Ports(traits);
    this.#envoys = Array.from({ length: traits.nodes }, (_, i) => {
      const ways = this.brains.all.map((brain) => ({
        brain,
        wire: new Wire(agenda, settings.marginMs - 50),
      }));
      const { isExpired, connectsBy, leadsTo } = parts;
      const ever = this.#ever;
      const beside = {
        agenda,
        traits,
        databases,
        ports,
        truth,
        ever,
        ways,
        trace,
        isExpired,
        connectsBy,
        leadsTo,
      };
      return new Envoy(i + 1, random, beside);
    });
    for (const envoy of this.#envoys) envoy.configure(plan, this.#wantedNumber);
    for (const brain of this.brains.all) this.brains.start(brain);
  }

  #surroundings(): Surroundings {
    const { traits } = this;
    const judges = new Judges(traits);
    return {
      trace: this.#trace,
      trueMs: () => this.#agenda.nowMs,
      observe: (seat, target, dialledAfterMs) => {
        this.#observers.get(seat)?.soon(target, dialledAfterMs);
      },
      known: (connection, ledger, how) => this.#known(connection, ledger, how),
      hasCluster: (node, service, cluster) =>
        traits.blind || this.#envoy(Number(node.slice(1))).has(service, cluster),
      planned: (seat, plan) => {
        this.#observers.get(seat)?.follow(plan);
        // It is in force when he who leads has it.
        if (seat === this.brains.newest && this.#truth && plan !== this.#truth.plan) this.#truth.plan = plan;
      },
      looked: (...step) => judges.look(...step),
      counted: (what) => {
        if (what === 'event') this.events++;
        else if (what === 'grant') this.granted++;
      },
    };
  }

  /** Keeps what happens, so that it can be played again. */
  record(): void {
    this.#isRecording = true;
  }

  get script(): Script {
    const { seed, traits } = this.#source;
    return { seed, traits, happenings: this.#happened, endMs: this.#agenda.nowMs };
  }

  /** Lets things happen until it is long enough, then mends everything and looks for what stays. */
  run({ events, faults }: Length): void {
    while (this.events < events || this.faults < faults) {
      const next = this.#source.next();
      if (!next) return;
      this.#agenda.pass(next.atMs);
      this.#happen(next);
    }
    this.#settle();
  }

  /** Plays a recording to its end. */
  replay(endMs: number): void {
    for (let next = this.#source.next(); next; next = this.#source.next()) {
      this.#agenda.pass(next.atMs);
      this.#happen(next);
    }
    this.#agenda.pass(endMs);
    this.#settle();
  }

  #happen(happening: Happening): void {
    if (this.#isRecording) this.#happened.push(happening);
    this.#trace?.(`${this.#agenda.nowMs} ${JSON.stringify(happening)}`);
    if (this.#cause(happening)) this.faults++;
  }

  /** @returns whether it was a fault, and of consequence. */
  #cause(happening: Happening): boolean {
    const { brains } = this;
    const { kind } = happening;
    if (kind === 'client') this.#envoy(happening.node).arrive(`s${happening.service}`, happening.seed);
    else if (kind === 'person') this.#person(happening.target, happening.ms);
    else if (kind === 'forgery') this.#forge(happening.node, new Random(happening.seed));
    else if (kind === 'plan') return this.#replan(redrawPlan, new Random(happening.seed));
    else if (kind === 'move')
      this.#agenda.after(happening.ms, () => this.#replan(moveWithin, new Random(happening.seed)));
    else if (kind === 'brain-killed') return this.#killBrain(this.#brain(happening.brain), happening.ms);
    else if (kind === 'brain-stopped') {
      const brain = this.#brain(happening.brain);
      const wires = this.#envoys.map((envoy) => envoy.ways[happening.brain - 1]!.wire);
      return this.#stop(brain, happening.ms, wires);
    } else if (kind === 'node-stopped') {
      const envoy = this.#envoy(happening.node);
      return this.#stop(
        envoy,
        happening.ms,
        envoy.ways.map(({ wire }) => wire),
      );
    } else if (kind === 'node-lost' || kind === 'node-killed')
      return this.#crash(this.#envoy(happening.node), kind === 'node-lost', happening.ms);
    else if (kind === 'wall-clock-set') this.#envoy(happening.node).clock.epochMs += happening.ms;
    else if (kind === 'cut')
      for (const wire of this.#wires(happening.node, happening.brain)) wire.cut(this.#random, happening.ms);
    else if (kind === 'lag') for (const wire of this.#wires(happening.node, 0)) wire.lag(happening.ms);
    else if (kind === 'loss') for (const wire of this.#wires(happening.node, 0)) wire.lose(happening.ms);
    else if (kind === 'unobserved') this.#troubles.begin(kind, nameOf(happening.target), happening.ms);
    else if (kind === 'slow-list') this.#troubles.begin('slow', nameOf(happening.target), happening.ms);
    else if (kind === 'postmaster-stopped')
      this.#databases.get(serverAt(happening.target))!.stop(this.#agenda, happening.ms);
    else if (kind === 'database-killed') this.#killDatabase(serverAt(happening.target));
    else if (kind === 'brains-cut') {
      if (happening.one === happening.other) return false;
      brains.cut(`b${happening.one}`, `b${happening.other}`, happening.ms);
    } else if (kind === 'etcd-cut') brains.cut(`b${happening.brain}`, 'etcd', happening.ms);
    else if (kind === 'etcd-stopped') brains.stopEtcd(happening.ms);
    else if (kind === 'etcd-leader-changed') brains.changeEtcdLeader();
    else brains.compactEtcd();
    return !harmless.has(kind);
  }

  #brain(number: number): Brain {
    return this.brains.all[number - 1]!;
  }

  /** To one brain, or to all: 0. */
  #wires(node: number, brain: number): readonly Wire[] {
    const wires = this.#envoy(node).ways.map(({ wire }) => wire);
    return brain === 0 ? wires : [wires[brain - 1]!];
  }

  #person(number: number, ms: number): void {
    const server = serverAt(number);
    const database = this.#databases.get(server)!;
    if (database.sessions.size > 35) return;
    const peer = `10.7.7.7:${++this.#people}`;
    const { nowMs } = this.#agenda;
    const session = database.open({ server, owner: undefined, user: 'person', peer, openedMs: nowMs });
    database.letIn(session);
    this.#agenda.after(ms, () => database.close(session));
  }

  #forge(number: number, random: Random): void {
    const others = this.#envoys.filter((envoy) => envoy.number !== number);
    if (others.length === 0) return;
    const connections = [...random.pick(others).connections.values()];
    if (connections.length === 0) return;
    const { id, service } = random.pick(connections);
    const seat = this.brains.newest;
    if (seat) this.#envoy(number).forge(id, service, random, seat);
  }

  #replan(draw: typeof redrawPlan, random: Random): boolean {
    const plan = draw(this.#wanted, random, this.traits);
    const number = ++this.#wantedNumber;
    this.#wanted = plan;
    this.brains.adopt(plan);
    // Each node by itself, before the brain that leads or after it.
    for (const envoy of this.#envoys)
      this.#agenda.within(random, 0, random.chance(0.8) ? 50 : mostConfigureMs, () =>
        envoy.configure(plan, number),
      );
    // Growing is no fault.
    return [...this.#databases].some(
      ([server, { sessions }]) => (targetAt(plan, server)?.budget ?? 0) < sessions.size,
    );
  }

  #killBrain(brain: Brain, ms: number): boolean {
    if (!brain.isUp) return false;
    this.brains.kill(brain, ms);
    for (const envoy of this.#envoys) envoy.ways[brain.number - 1]!.wire.break();
    return true;
  }

  /** Its neighbours give up on it when nothing comes for too long. */
  #stop(process: Process, ms: number, wires: readonly Wire[]): boolean {
    if (!process.isUp) return false;
    process.stop(ms);
    for (const wire of wires) {
      const { connection } = wire;
      this.#agenda.within(this.#random, keepAliveMs / 2, keepAliveMs, () => {
        if (process.isStopped && connection === wire.connection) wire.break();
      });
    }
    return true;
  }

  #crash(envoy: Envoy, isSilent: boolean, ms: number): boolean {
    if (!envoy.isUp) return false;
    envoy.crash(isSilent);
    this.#agenda.after(ms, () => {
      envoy.rise();
      this.#agenda.after(startMs, () => envoy.configure(this.#wanted, this.#wantedNumber));
    });
    return true;
  }

  #killDatabase(server: string): void {
    const database = this.#databases.get(server)!;
    database.kill();
    for (const session of [...database.sessions]) {
      database.close(session);
      if (!session.owner) continue;
      const envoy = this.#envoyOf(session.owner.id);
      const connection = envoy.connections.get(session.owner.id);
      if (connection) envoy.serverClosed(connection);
    }
  }

  /** I4: when faults end, slots are sessions, and nothing stays of what is gone. */
  #settle(): void {
    for (const envoy of this.#envoys) envoy.isMended = true;
    this.#pass(longestFaultMs + 2 * longestSessionMs(this.traits));
    // Whoever was down is up by now.
    this.brains.mend();
    this.#trace?.(`${this.#agenda.nowMs} mended`);
    const services = [...this.#truth.plan.services.keys()];
    for (const envoy of this.#envoys)
      for (const service of services) envoy.arrive(service, this.#random.seed(), true);
    this.#pass(settleMs + this.traits.lingerMs);
    this.#compare();
    for (const envoy of this.#envoys) envoy.everybodyLeaves();
    this.#pass(longestSessionMs(this.traits));
    this.#compare();
    const { sessions, waiterCount } = this.brains.newest!.ledger.view({ sessions: 100 });
    if (sessions.length > 0 || waiterCount > 0)
      throw new Violation(`I4: ${waiterCount} waiters stayed, and ${JSON.stringify(sessions)}`);
  }

  #compare(): void {
    const { newest } = this.brains;
    if (!newest || newest.isOver) throw new Violation('I4: nobody leads');
    newest.audit();
    const { targets } = newest.ledger.view();
    for (const { name: target, free, budget, planned } of targets.values()) {
      const server = serverOf(newest.plan!, target);
      const { size } = this.#databases.get(server ?? '')?.sessions ?? { size: 0 };
      if (planned && free !== budget - size)
        throw new Violation(`I4: ${target} has ${free} of ${budget} free with ${size} sessions`);
    }
  }

  #pass(ms: number): void {
    this.#agenda.pass(this.#agenda.nowMs + ms);
  }

  #envoyOf(connection: string): Envoy {
    return this.#envoy(Number(connection.slice(1, connection.indexOf('c'))));
  }

  #envoy(number: number): Envoy {
    return this.#envoys[number - 1]!;
  }

  #known(id: string, ledger: number, how: 'granted' | 'told'): void {
    const connection = this.#ever.get(id);
    // An older ledger may still be told of it.
    if (!connection || ledger < connection.knownTo) return;
    if (how === 'granted') connection.knownMs = Number.NEGATIVE_INFINITY;
    else if (connection.knownTo !== ledger) connection.knownMs = this.#agenda.nowMs;
    connection.knownTo = ledger;
  }
}

/** Where one target is to begin with, and maybe another one later. */
function serverAt(number: number): string {
  return formatAddress(serverNumber(number));
}
