/** What happens in a world from outside: who comes, what breaks. Drawn from a seed, so that it can be played again in part. */
import { Random } from './random.js';
import { drawTraits, type Traits } from './traits.js';

export type Happening = { readonly atMs: number } & (
  | { readonly kind: 'client'; readonly node: number; readonly service: number; readonly seed: number }
  /** A session past the nodes. */
  | { readonly kind: 'person'; readonly target: number; readonly ms: number }
  | { readonly kind: 'plan'; readonly seed: number }
  /** A service, or a server, moves: `ms` later, while those are let in who come now. */
  | { readonly kind: 'move'; readonly ms: number; readonly seed: number }
  /** A node speaks of another one's connections. */
  | { readonly kind: 'forgery'; readonly node: number; readonly seed: number }
  | Fault
);

export type Fault =
  | { readonly kind: 'brain-killed'; readonly brain: number; readonly ms: number }
  | { readonly kind: 'brain-stopped'; readonly brain: number; readonly ms: number }
  /** Its machine is gone: nobody hears of it. */
  | { readonly kind: 'node-lost'; readonly node: number; readonly ms: number }
  | { readonly kind: 'node-killed'; readonly node: number; readonly ms: number }
  | { readonly kind: 'node-stopped'; readonly node: number; readonly ms: number }
  | { readonly kind: 'wall-clock-set'; readonly node: number; readonly ms: number }
  /** From one brain, or from all: 0. */
  | { readonly kind: 'cut'; readonly node: number; readonly brain: number; readonly ms: number }
  | { readonly kind: 'lag'; readonly node: number; readonly ms: number }
  | { readonly kind: 'loss'; readonly node: number; readonly ms: number }
  /** The database does not answer its observer. */
  | { readonly kind: 'unobserved'; readonly target: number; readonly ms: number }
  | { readonly kind: 'slow-list'; readonly target: number; readonly ms: number }
  | { readonly kind: 'database-killed'; readonly target: number }
  /** The process that takes in connections stands still; what it has taken in goes on. */
  | { readonly kind: 'postmaster-stopped'; readonly target: number; readonly ms: number }
  | { readonly kind: 'brains-cut'; readonly one: number; readonly other: number; readonly ms: number }
  | { readonly kind: 'etcd-cut'; readonly brain: number; readonly ms: number }
  | { readonly kind: 'etcd-stopped'; readonly ms: number }
  /** Every lease begins its life anew. */
  | { readonly kind: 'etcd-leader-changed' }
  /** Every watch ends. */
  | { readonly kind: 'etcd-compacted' };

/** A world and all that happens in it; `endMs`: when its faults end. */
export interface Script {
  readonly seed: number;
  readonly traits: Traits;
  readonly happenings: readonly Happening[];
  readonly endMs: number;
}

/** Where happenings come from, the earliest first. */
export interface Source {
  readonly seed: number;
  readonly traits: Traits;
  /** Undefined: no more. */
  next(): Happening | undefined;
}

interface Recurring {
  nextMs: number;
  readonly meanMs: number;
  readonly draw: (atMs: number) => Happening;
}

/** Without end. */
export class Drawn implements Source {
  readonly seed: number;
  readonly traits: Traits;
  readonly #random: Random;
  readonly #recurring: Recurring[] = [];
  /** Of a flood: those still to come. */
  readonly #crowd: Happening[] = [];

  constructor(seed: number) {
    this.seed = seed;
    this.#random = new Random(seed);
    this.traits = drawTraits(this.#random);
    const random = this.#random;
    const { traits } = this;
    const node = (): number => random.between(1, traits.nodes);
    const brain = (): number => random.between(1, traits.brains);
    const target = (): number => random.between(1, traits.targets);
    const ms = (most: number): number => random.between(0, most);
    const { meanMs } = traits;
    // Most clients come when the brain has recovered.
    const firstMs = random.chance(0.7) ? 4_000 : 0;
    const kinds: { readonly [Kind in keyof Traits['meanMs']]: (atMs: number) => Happening } = {
      client: (atMs) => this.#client(atMs),
      flood: (atMs) => this.#flood(atMs),
      person: (atMs) => ({ atMs, kind: 'person', target: target(), ms: ms(10_000) }),
      plan: (atMs) => ({ atMs, kind: 'plan', seed: random.seed() }),
      move: (atMs) => this.#move(atMs),
      forgery: (atMs) => ({ atMs, kind: 'forgery', node: node(), seed: random.seed() }),
      'brain-killed': (atMs) => ({ atMs, kind: 'brain-killed', brain: brain(), ms: ms(2_000) }),
      'brain-stopped': (atMs) => ({ atMs, kind: 'brain-stopped', brain: brain(), ms: ms(6_000) }),
      'node-lost': (atMs) => ({ atMs, kind: 'node-lost', node: node(), ms: ms(4_000) }),
      'node-killed': (atMs) => ({ atMs, kind: 'node-killed', node: node(), ms: ms(2_000) }),
      'node-stopped': (atMs) => ({ atMs, kind: 'node-stopped', node: node(), ms: ms(8_000) }),
      'wall-clock-set': (atMs) => ({
        atMs,
        kind: 'wall-clock-set',
        node: node(),
        ms: random.between(-90_000, 90_000),
      }),
      cut: (atMs) => ({
        atMs,
        kind: 'cut',
        node: node(),
        brain: random.between(0, traits.brains),
        ms: ms(15_000),
      }),
      lag: (atMs) => ({ atMs, kind: 'lag', node: node(), ms: ms(8_000) }),
      loss: (atMs) => ({ atMs, kind: 'loss', node: node(), ms: ms(8_000) }),
      unobserved: (atMs) => ({ atMs, kind: 'unobserved', target: target(), ms: ms(8_000) }),
      'slow-list': (atMs) => ({ atMs, kind: 'slow-list', target: target(), ms: ms(8_000) }),
      'brains-cut': (atMs) => ({ atMs, kind: 'brains-cut', one: brain(), other: brain(), ms: ms(8_000) }),
      'etcd-cut': (atMs) => ({ atMs, kind: 'etcd-cut', brain: brain(), ms: ms(8_000) }),
      'etcd-stopped': (atMs) => ({ atMs, kind: 'etcd-stopped', ms: ms(6_000) }),
      'etcd-leader-changed': (atMs) => ({ atMs, kind: 'etcd-leader-changed' }),
      'etcd-compacted': (atMs) => ({ atMs, kind: 'etcd-compacted' }),
      'database-killed': (atMs) => ({ atMs, kind: 'database-killed', target: target() }),
      'postmaster-stopped': (atMs) => ({ atMs, kind: 'postmaster-stopped', target: target(), ms: ms(3_000) }),
    };
    for (const [kind, draw] of Object.entries(kinds)) {
      const mean = meanMs[kind as keyof Traits['meanMs']];
      if (mean === undefined) continue;
      const nextMs = firstMs + random.between(1, 2 * mean);
      this.#recurring.push({ nextMs, meanMs: mean, draw });
    }
  }

  next(): Happening {
    const soonest = this.#recurring.reduce((best, each) => (each.nextMs < best.nextMs ? each : best));
    const first = this.#crowd.at(-1);
    if (first && first.atMs <= soonest.nextMs) return this.#crowd.pop()!;
    const atMs = soonest.nextMs;
    soonest.nextMs += this.#random.between(1, 2 * soonest.meanMs);
    return soonest.draw(atMs);
  }

  #client(atMs: number): Happening {
    const random = this.#random;
    const node = random.between(1, this.traits.nodes);
    return {
      atMs,
      kind: 'client',
      node,
      service: random.between(1, this.traits.services),
      seed: random.seed(),
    };
  }

  #move(atMs: number): Happening {
    this.#crowd.push(this.#flood(atMs));
    return { atMs, kind: 'move', ms: this.#random.between(0, 60), seed: this.#random.seed() };
  }

  #flood(atMs: number): Happening {
    const size = this.#random.between(5, 40);
    for (let i = 1; i < size; i++) this.#crowd.push(this.#client(atMs));
    return this.#client(atMs);
  }
}

/** What was recorded, or what is left of it. */
export class Recorded implements Source {
  readonly seed: number;
  readonly traits: Traits;
  readonly #happenings: readonly Happening[];
  #at = 0;

  constructor({ seed, traits, happenings }: Script) {
    this.seed = seed;
    this.traits = traits;
    this.#happenings = happenings;
  }

  next(): Happening | undefined {
    return this.#happenings[this.#at++];
  }
}
