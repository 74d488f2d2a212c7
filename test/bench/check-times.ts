/** What the checks of new connections take, as the Envoy that sends them measures it: in whole milliseconds, rounded down. */
import type { Envoy } from '../harness/envoy.js';
import { waitUntil } from '../harness/wait-until.js';
import type { Load } from './load.js';

const histogram = 'cluster.sluice_brain.upstream_rq_time';

export interface CheckTimes {
  readonly p50: number;
  readonly p99: number;
}

/** @param work new connections, each of which is checked once */
export async function checkTimes(envoy: Envoy, work: () => Promise<Load>): Promise<CheckTimes> {
  const before = await flushed(envoy);
  const { latenciesMs } = await work();
  // Envoy brings its workers' records together every five seconds.
  const times = await waitUntil('Envoy has counted every check', async () => {
    const now = await envoy.histogram(histogram);
    const since = [...now].map(([ms, count]) => [ms, count - (before.get(ms) ?? 0)] as const);
    return total(since) >= latenciesMs.length && since;
  });
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}

/** Once nothing of what was before is on its way any more. */
async function flushed(envoy: Envoy): Promise<ReadonlyMap<number, number>> {
  const granted = await envoy.stat('cluster.sluice_brain.upstream_rq_completed');
  return waitUntil('Envoy has counted every check', async () => {
    const now = await envoy.histogram(histogram);
    return total([...now]) >= granted && now;
  });
}

function total(counts: readonly (readonly [number, number])[]): number {
  return counts.reduce((sum, [, count]) => sum + count, 0);
}

function percentile(counts: readonly (readonly [number, number])[], part: number): number {
  let left = part * total(counts);
  for (const [ms, count] of [...counts].sort(([a], [b]) => a - b)) {
    left -= count;
    if (left < 0) return ms;
  }
  return Number.NaN;
}
