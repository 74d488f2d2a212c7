/** From samples to figures and bars. What is asked for stands in the design; here is how it is computed. */
import type { CheckTimes } from './check-times.js';
import type { Decision } from './decision.js';
import type { FrontName } from './front.js';
import type { Figure } from './report.js';
import type { Measure, Samples } from './rounds.js';
import { type Comparison, compare, median, related } from './statistics.js';

const names: Readonly<Record<FrontName, string>> = {
  direct: 'direct',
  envoy: 'plain Envoy',
  sluice: 'Sluice',
  traefik: 'Traefik',
  pgbouncer: 'PgBouncer',
};

const baselines = ['envoy', 'direct', 'traefik', 'pgbouncer'] as const;

interface Compared {
  readonly name: string;
  readonly unit: string;
  readonly measure: Measure;
  readonly p50?: Measure;
  readonly p99?: Measure;
  /** Of the ratio to plain Envoy. */
  readonly atLeast?: number;
}

const compared: readonly Compared[] = [
  { name: 'queries', unit: '1/s', measure: 'queries', p50: 'query p50', p99: 'query p99', atLeast: 0.97 },
  { name: 'copy out', unit: 'MB/s', measure: 'copy out', atLeast: 0.97 },
  { name: 'copy in', unit: 'MB/s', measure: 'copy in', atLeast: 0.97 },
  {
    name: 'new connections',
    unit: '1/s',
    measure: 'connections',
    p50: 'login p50',
    p99: 'login p99',
    atLeast: 0.85,
  },
  { name: 'memory of an idle session', unit: 'KiB', measure: 'memory' },
];

const bars = { envoyCpuRatio: 1.4, brainMs: 0.4, p99Ms: 3, shareMs: 2, decisionRatio: 1.2 } as const;

export function figuresOf(samples: Samples): Figure[] {
  return [
    ...compared.flatMap((row) => baselines.flatMap((baseline) => against(samples, row, baseline))),
    ...processorTime(samples),
    ...paced(samples),
  ];
}

const nothing = {
  ...{ sluice: null, baseline: null, ratio: null, ratios: null },
  ...{ p50: null, p99: null, bar: null, holds: null },
};

function against(samples: Samples, row: Compared, baseline: FrontName): Figure[] {
  const [own, other] = [samples.of('sluice', row.measure), samples.of(baseline, row.measure)];
  // The direct way has no process to weigh.
  if (row.measure === 'memory' && baseline === 'direct') return [];
  const both = compare(own, other);
  const bar = baseline === 'envoy' ? row.atLeast : undefined;
  const at = (measure: Measure | undefined): number | null =>
    measure === undefined ? null : median(samples.of('sluice', measure));
  return [
    {
      ...nothing,
      ...both,
      name: `${row.name}: ${names[baseline]}`,
      unit: row.unit,
      p50: at(row.p50),
      p99: at(row.p99),
      ...(bar !== undefined && { bar: `ratio ≥ ${bar}`, holds: both.ratio >= bar }),
    },
  ];
}

function processorTime(samples: Samples): Figure[] {
  const of = (front: FrontName, process: string) => samples.of(front, `cpu ${process}`);
  const [envoy, brain] = [of('sluice', 'envoy'), of('sluice', 'brain')];
  const both = envoy.map((ms, round) => ms + brain[round]!);
  const unit = 'ms CPU';
  const byEnvoy = compare(envoy, of('envoy', 'envoy'));
  const whole = (baseline: FrontName, process: string): Figure => ({
    ...nothing,
    ...compare(both, of(baseline, process)),
    name: `a new connection, whole proxy side: ${names[baseline]}`,
    unit,
  });
  return [
    {
      ...nothing,
      ...byEnvoy,
      name: 'a new connection, Envoy: plain Envoy',
      unit,
      bar: `ratio ≤ ${bars.envoyCpuRatio}`,
      holds: byEnvoy.ratio <= bars.envoyCpuRatio,
    },
    {
      ...nothing,
      name: 'a new connection, brain',
      unit,
      sluice: median(brain),
      bar: `≤ ${bars.brainMs} ms`,
      holds: median(brain) <= bars.brainMs,
    },
    whole('envoy', 'envoy'),
    whole('traefik', 'traefik'),
    whole('pgbouncer', 'pgbouncer'),
    {
      ...nothing,
      ...compare(samples.of('sluice', 'client'), samples.of('envoy', 'client')),
      name: 'a new connection, load generator: plain Envoy',
      unit,
    },
  ];
}

function paced(samples: Samples): Figure[] {
  const p99 = samples.of('sluice', 'paced p99');
  return baselines.map((baseline) => {
    const other = samples.of(baseline, 'paced p99');
    const more = median(related(p99, other, (a, b) => a - b));
    return {
      ...nothing,
      ...compare(p99, other),
      name: `a new connection at half the rate, p99: ${names[baseline]}`,
      unit: 'ms',
      p50: median(samples.of('sluice', 'paced p50')),
      p99: median(p99),
      ...(baseline === 'envoy' && {
        bar: `at most ${bars.p99Ms} ms more (${more >= 0 ? '+' : ''}${more.toFixed(2)})`,
        holds: more <= bars.p99Ms,
      }),
    };
  });
}

/** Envoy rounds down, so a check of 1 took less than 2. */
export function shareFigure({ p50, p99 }: CheckTimes): Figure {
  return {
    ...nothing,
    name: 'the check within it, as Envoy sees it (whole ms)',
    unit: 'ms',
    p50,
    p99,
    bar: `p99 < ${bars.shareMs} ms`,
    holds: p99 < bars.shareMs,
  };
}

export function decisionFigures({ cpu, trip, tripP99 }: Decision): Figure[] {
  const figure = (name: string, unit: string, measured: Comparison): Figure => ({
    ...nothing,
    ...measured,
    name,
    unit,
  });
  return [
    {
      ...figure('a decision, round trip: constant answer', 'ms', trip),
      p50: trip.sluice,
      p99: tripP99,
      bar: `ratio ≤ ${bars.decisionRatio}`,
      holds: trip.ratio <= bars.decisionRatio,
    },
    figure('a decision, processor time: constant answer', 'µs CPU', cpu),
  ];
}
