/** Inputs made of inputs: bytes changed, taken out, put in, joined. */

/** Repeatable chance: a linear congruential generator (Numerical Recipes, 3rd edition, 7.1). */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to `bound` − 1. */
  below(bound: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * bound);
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

const interesting = [
  0, 1, 0x7f, 0x80, 0xff, 0x0a, 0x20, 0x22, 0x3a, 0x2f, 0x2e, 0x2a, 0x7b, 0x5b, 0x26, 0x25,
];

/** One to eight changes to one of `corpus`. */
export function mutated(
  corpus: readonly Buffer[],
  words: readonly Buffer[],
  chance: Chance,
  maxBytes: number,
): Buffer {
  let input: Buffer = chance.of(corpus);
  for (let left = 1 << chance.below(4); left > 0; left--) input = changed(input, corpus, words, chance);
  return input.subarray(0, maxBytes);
}

function changed(input: Buffer, corpus: readonly Buffer[], words: readonly Buffer[], chance: Chance): Buffer {
  const at = chance.below(input.length + 1);
  const length = 1 + chance.below(Math.min(16, input.length + 1));
  const put = (bytes: Uint8Array, over: number): Buffer =>
    Buffer.concat([input.subarray(0, at), bytes, input.subarray(at + over)]);
  switch (chance.below(9)) {
    case 0:
      return put(Buffer.from([(input[at] ?? 0) ^ (1 << chance.below(8))]), 1);
    case 1:
      return put(Buffer.from([chance.below(256)]), 1);
    case 2:
      return put(Buffer.from([chance.of(interesting)]), chance.below(2));
    case 3:
      return put(Buffer.alloc(0), length);
    case 4: {
      // A piece of itself once more: what may stand once may not stand twice.
      const from = chance.below(input.length + 1);
      return put(input.subarray(from, from + 4 * length), 0);
    }
    case 5:
    case 6:
      return words.length > 0 ? put(chance.of(words), chance.below(2) * length) : put(Buffer.from([0xff]), 0);
    case 7: {
      const other = chance.of(corpus);
      const from = chance.below(other.length + 1);
      return put(other.subarray(from, from + chance.below(64)), chance.below(2) * length);
    }
    default:
      return put(Buffer.from([((input[at] ?? 0) + 1 + 254 * chance.below(2)) & 0xff]), 1);
  }
}
