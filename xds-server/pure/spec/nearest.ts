import { type Finding, type Path, shown } from './problem.js';

/** The known name that a misspelt one was probably meant to be, or undefined when none is close. */
export function nearest(found: string, known: Iterable<string>): string | undefined {
  const text = found.slice(0, maxCompared).toLowerCase();
  // One slip in three letters, two at least: enough for a swapped pair, too little to turn one word into another.
  const most = text.length < 3 ? 1 : Math.max(2, Math.floor(text.length / 3));
  let best: string | undefined;
  let least = most + 1;
  for (const name of known) {
    const distance = distanceOf(text, name.slice(0, maxCompared).toLowerCase(), most);
    if (distance >= least) continue;
    best = name;
    least = distance;
  }
  return best;
}

/** A name of which only a part was written (`timeout` for `timeout_ms`) is as close as two slips. */
function distanceOf(text: string, name: string, most: number): number {
  const isPart = text.length >= 4 && (name.startsWith(`${text}_`) || name.endsWith(`_${text}`));
  if (isPart) return Math.min(2, most);
  return Math.abs(name.length - text.length) > most ? Number.POSITIVE_INFINITY : editDistance(text, name);
}

/** A name that should be among others. */
export function unknownName(path: Path, kind: string, name: string, known: Iterable<string>): Finding {
  const names = [...known];
  const listed = names.slice(0, 10).join(', ') + (names.length > 10 ? ', …' : '');
  return {
    path,
    expected: names.length > 0 ? `a ${kind}: one of ${listed}` : `a ${kind} that is in this spec`,
    found: shown(name),
    hint: () => {
      const close = nearest(name, names);
      return close === undefined ? undefined : `did you mean "${close}"?`;
    },
  };
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
