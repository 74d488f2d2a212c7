/** The known name that a misspelt one was probably meant to be, or undefined when none is close. */
export function nearest(found: string, known: Iterable<string>): string | undefined {
  const text = found.slice(0, maxCompared).toLowerCase();
  // One slip in three letters, two at least: enough for a swapped pair, too little to turn one word into another.
  let best: string | undefined;
  let least = Math.max(2, Math.floor(text.length / 3)) + 1;
  for (const name of known) {
    if (Math.abs(name.length - text.length) >= least) continue;
    const distance = editDistance(text, name.slice(0, maxCompared).toLowerCase());
    if (distance < least) {
      best = name;
      least = distance;
    }
  }
  return best;
}

const maxCompared = 64;

/** Letters added, left out, changed, or swapped with their neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, change);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
