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

/** Median over the rounds of what one was in relation to the other in the same round. */
export function medianOf(
  one: readonly number[],
  other: readonly number[],
  relate: (one: number, other: number) => number,
): number {
  return median(one.map((value, round) => relate(value, other[round]!)));
}
