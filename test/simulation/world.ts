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
import { Agenda } from './agenda.js';
import type { Brain } from './brain.js';
import { Brains } from './brains.js';
import type { Connection } from './connection.js';
import { Database } from './database.js';
import { Envoy } from './envoy.js';
import { Judges } from './judges.js';
import { Observers, Troubles } from './observers.js';
import { Outside } from './outside.js';
import { type Parts, shipped } from './parts.js';
import { drawPlan, longestTimeoutMs, serverOf, serversIn } from './plans.js';
import { Ports } from './ports.js';
import { Random } from './random.js';
import type { Happening, Script, Source } from './script.js';
import type { Seat, Surroundings } from './seat.js';
import { loginTimeoutMs, longestSessionMs, settings, type Traits } from './traits.js';
import { Truth } from './truth.js';
import { Violation } from './violation.js';
import { Wire } from './wire.js';

const longestFaultMs = 20_000;
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
  readonly #outside: Outside;
  readonly #observers = new WeakMap<Seat, Observers>();
  readonly #truth: Truth;
  readonly #trace: ((line: string) => void) | undefined;
  readonly #happened: Happening[] = [];
  #isRecording = false;

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
    this.#databases = new Map(
      serversIn(traits).map((server) => [
        formatAddress(server),
        new Database(traits, new Random(random.seed())),
      ]),
    );
    const databases = this.#databases;
    const troubles = new Troubles(agenda);
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
          this.#observers.set(seat, new Observers(agenda, chance, traits, seat, databases, troubles));
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
    const { brains } = this;
    const envoys = this.#envoys;
    this.#outside = new Outside({ agenda, random, traits, brains, envoys, databases, troubles }, plan);
    for (const brain of brains.all) brains.start(brain);
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
        traits.blind || this.#envoys[Number(node.slice(1)) - 1]!.has(service, cluster),
      planned: (seat, plan) => {
        // It is in force when he who leads has it.
        if (seat === this.brains.newest && this.#truth && plan !== this.#truth.plan) this.#truth.plan = plan;
      },
      looked: (...step) => {
        if (step[0].kind === 'plan') this.#observers.get(step[2])?.follow(step[0].plan);
        judges.look(...step);
      },
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
    if (this.#outside.cause(happening)) this.faults++;
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

  #known(id: string, ledger: number, how: 'granted' | 'told'): void {
    const connection = this.#ever.get(id);
    // An older ledger may still be told of it.
    if (!connection || ledger < connection.knownTo) return;
    if (how === 'granted') connection.knownMs = Number.NEGATIVE_INFINITY;
    else if (connection.knownTo !== ledger) connection.knownMs = this.#agenda.nowMs;
    connection.knownTo = ledger;
  }
}
