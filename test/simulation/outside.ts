/**
 * What comes over a world from outside: clients and people arrive, plans change, and all that can break does. What, when
 * and to whom is drawn in script.ts; what follows from it is the business of whom it happens to.
 */
import { formatAddress } from '../../xds-server/pure/plan/address.js';
import type { Plan } from '../../xds-server/pure/plan/plan.js';
import type { Agenda } from './agenda.js';
import type { Brain } from './brain.js';
import type { Brains } from './brains.js';
import type { Database } from './database.js';
import type { Envoy } from './envoy.js';
import type { Process } from './machine.js';
import type { Troubles } from './observers.js';
import { moveWithin, nameOf, redrawPlan, serverNumber, targetAt } from './plans.js';
import { Random } from './random.js';
import type { Happening } from './script.js';
import type { Traits } from './traits.js';
import { keepAliveMs, type Wire } from './wire.js';

const harmless: ReadonlySet<Happening['kind']> = new Set(['client', 'person', 'forgery', 'move']);
/** Until a node has a plan that is published. */
const mostConfigureMs = 3_000;
/** Until it has one when it has started. */
const startMs = 50;

/** Whom and what it reaches. */
export interface Reach {
  readonly agenda: Agenda;
  readonly random: Random;
  readonly traits: Traits;
  readonly brains: Brains;
  readonly envoys: readonly Envoy[];
  readonly databases: ReadonlyMap<string, Database>;
  readonly troubles: Troubles;
}

export class Outside {
  readonly #reach: Reach;
  #people = 0;
  /** The newest plan, which the brain that leads may not have yet, nor the nodes. */
  #wanted: Plan;
  #wantedNumber = 1;

  /** @param plan all nodes have it from the beginning */
  constructor(reach: Reach, plan: Plan) {
    this.#reach = reach;
    this.#wanted = plan;
    for (const envoy of reach.envoys) envoy.configure(plan, this.#wantedNumber);
  }

  /** @returns whether it was a fault, and of consequence. */
  cause(happening: Happening): boolean {
    const { agenda, random, brains, envoys, databases, troubles } = this.#reach;
    const { kind } = happening;
    if (kind === 'client') this.#envoy(happening.node).arrive(`s${happening.service}`, happening.seed);
    else if (kind === 'person') this.#person(happening.target, happening.ms);
    else if (kind === 'forgery') this.#forge(happening.node, new Random(happening.seed));
    else if (kind === 'plan') return this.#replan(redrawPlan, new Random(happening.seed));
    else if (kind === 'move')
      agenda.after(happening.ms, () => this.#replan(moveWithin, new Random(happening.seed)));
    else if (kind === 'brain-killed') return this.#killBrain(this.#brain(happening.brain), happening.ms);
    else if (kind === 'brain-stopped') {
      const brain = this.#brain(happening.brain);
      const wires = envoys.map((envoy) => envoy.ways[happening.brain - 1]!.wire);
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
      for (const wire of this.#wires(happening.node, happening.brain)) wire.cut(random, happening.ms);
    else if (kind === 'lag') for (const wire of this.#wires(happening.node, 0)) wire.lag(happening.ms);
    else if (kind === 'loss') for (const wire of this.#wires(happening.node, 0)) wire.lose(happening.ms);
    else if (kind === 'unobserved') troubles.begin(kind, nameOf(happening.target), happening.ms);
    else if (kind === 'slow-list') troubles.begin('slow', nameOf(happening.target), happening.ms);
    else if (kind === 'postmaster-stopped')
      databases.get(serverAt(happening.target))!.stop(agenda, happening.ms);
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
    return this.#reach.brains.all[number - 1]!;
  }

  #envoy(number: number): Envoy {
    return this.#reach.envoys[number - 1]!;
  }

  /** To one brain, or to all: 0. */
  #wires(node: number, brain: number): readonly Wire[] {
    const wires = this.#envoy(node).ways.map(({ wire }) => wire);
    return brain === 0 ? wires : [wires[brain - 1]!];
  }

  #person(number: number, ms: number): void {
    const { agenda, databases } = this.#reach;
    const server = serverAt(number);
    const database = databases.get(server)!;
    if (database.sessions.size > 35) return;
    const peer = `10.7.7.7:${++this.#people}`;
    const { nowMs } = agenda;
    const session = database.open({ server, owner: undefined, user: 'person', peer, openedMs: nowMs });
    database.letIn(session);
    agenda.after(ms, () => database.close(session));
  }

  #forge(number: number, random: Random): void {
    const { envoys, brains } = this.#reach;
    const others = envoys.filter((envoy) => envoy.number !== number);
    if (others.length === 0) return;
    const connections = [...random.pick(others).connections.values()];
    if (connections.length === 0) return;
    const { id, service } = random.pick(connections);
    const seat = brains.newest;
    if (seat) this.#envoy(number).forge(id, service, random, seat);
  }

  #replan(draw: typeof redrawPlan, random: Random): boolean {
    const { agenda, traits, brains, envoys, databases } = this.#reach;
    const plan = draw(this.#wanted, random, traits);
    const number = ++this.#wantedNumber;
    this.#wanted = plan;
    brains.adopt(plan);
    // Each node by itself, before the brain that leads or after it.
    for (const envoy of envoys)
      agenda.within(random, 0, random.chance(0.8) ? 50 : mostConfigureMs, () =>
        envoy.configure(plan, number),
      );
    // Growing is no fault.
    return [...databases].some(
      ([server, { sessions }]) => (targetAt(plan, server)?.budget ?? 0) < sessions.size,
    );
  }

  #killBrain(brain: Brain, ms: number): boolean {
    if (!brain.isUp) return false;
    const { brains, envoys } = this.#reach;
    brains.kill(brain, ms);
    for (const envoy of envoys) envoy.ways[brain.number - 1]!.wire.break();
    return true;
  }

  /** Its neighbours give up on it when nothing comes for too long. */
  #stop(process: Process, ms: number, wires: readonly Wire[]): boolean {
    if (!process.isUp) return false;
    const { agenda, random } = this.#reach;
    process.stop(ms);
    for (const wire of wires) {
      const { connection } = wire;
      agenda.within(random, keepAliveMs / 2, keepAliveMs, () => {
        if (process.isStopped && connection === wire.connection) wire.break();
      });
    }
    return true;
  }

  #crash(envoy: Envoy, isSilent: boolean, ms: number): boolean {
    if (!envoy.isUp) return false;
    const { agenda } = this.#reach;
    envoy.crash(isSilent);
    agenda.after(ms, () => {
      envoy.rise();
      agenda.after(startMs, () => envoy.configure(this.#wanted, this.#wantedNumber));
    });
    return true;
  }

  #killDatabase(server: string): void {
    const database = this.#reach.databases.get(server)!;
    database.kill();
    for (const session of [...database.sessions]) {
      database.close(session);
      if (!session.owner) continue;
      const envoy = this.#envoyOf(session.owner.id);
      const connection = envoy.connections.get(session.owner.id);
      if (connection) envoy.serverClosed(connection);
    }
  }

  #envoyOf(connection: string): Envoy {
    return this.#envoy(Number(connection.slice(1, connection.indexOf('c'))));
  }
}

/** Where one target is to begin with, and maybe another one later. */
function serverAt(number: number): string {
  return formatAddress(serverNumber(number));
}
