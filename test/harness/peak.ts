export interface Peak<T> {
  /** What the work came to. */
  readonly result: T;
  /** The most seen at once. */
  readonly peak: number;
  /** How often was looked. */
  readonly looks: number;
}

/** Counts again and again, as fast as `count` answers, while `work` runs, and at least once. */
export async function peakWhile<T>(count: () => Promise<number>, work: () => Promise<T>): Promise<Peak<T>> {
  let peak = 0;
  let looks = 0;
  let isOver = false;
  const look = async () => {
    do {
      peak = Math.max(peak, await count());
      looks += 1;
    } while (!isOver);
  };
  const working = work().finally(() => {
    isOver = true;
  });
  const [result] = await Promise.all([working, look()]);
  return { result, peak, looks };
}
