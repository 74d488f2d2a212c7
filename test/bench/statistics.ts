/** Figures out of samples. */

/** @param part 0 to 1. NaN of nothing. */
export function percentile(samples: readonly number[], part: number): number {
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}

export function median(samples: readonly number[]): number {
  const sorted = Float64Array.from(samples).sort();
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** What one was in relation to the other in the same round, for each round. */
export function related(
  one: readonly number[],
  other: readonly number[],
  relate: (one: number, other: number) => number,
): readonly number[] {
  return one.map((value, round) => relate(value, other[round]!));
}

/** Medians of both, and of their quotients; how far these lie apart. */
export interface Comparison {
  readonly sluice: number;
  readonly baseline: number;
  readonly ratio: number;
  /** The least and the most. */
  readonly ratios: readonly [number, number];
}

export function compare(own: readonly number[], other: readonly number[]): Comparison {
  const ratios = related(own, other, (a, b) => a / b);
  return {
    sluice: median(own),
    baseline: median(other),
    ratio: median(ratios),
    ratios: [Math.min(...ratios), Math.max(...ratios)],
  };
}
