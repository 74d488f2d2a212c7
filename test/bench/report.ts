/** What `make bench` hands over: a table for people, build/bench.json for programs. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Field names are part of the contract: build/bench.json is a list of these. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** Null where there is nothing to compare with, or no bar. */
  readonly sluice: number | null;
  readonly baseline: number | null;
  /** Sluice's in relation to the baseline's: the median of the rounds, so not always the quotient of the two. */
  readonly ratio: number | null;
  /** The least and the most of the rounds': two equal things move apart by so much on a machine that is shared. */
  readonly ratios: readonly [number, number] | null;
  /** Milliseconds, Sluice's own. */
  readonly p50: number | null;
  readonly p99: number | null;
  /** In words. */
  readonly bar: string | null;
  readonly holds: boolean | null;
}

const file = path.resolve(import.meta.dirname, '../../build/bench.json');

export function save(figures: readonly Figure[]): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(figures.map(rounded), null, 2)}\n`);
}

function rounded(figure: Figure): Figure {
  const round = (value: number | null): number | null =>
    value === null || !Number.isFinite(value) ? null : Number(value.toPrecision(5));
  const { sluice, baseline, ratio, ratios, p50, p99 } = figure;
  return {
    ...figure,
    sluice: round(sluice),
    baseline: round(baseline),
    ratio: round(ratio),
    ratios: ratios && [round(ratios[0])!, round(ratios[1])!],
    p50: round(p50),
    p99: round(p99),
  };
}

const columns = [
  '',
  'unit',
  'Sluice',
  'baseline',
  'ratio',
  'of rounds',
  'p50 ms',
  'p99 ms',
  'bar',
  '',
] as const;

export function table(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.name,
    figure.unit,
    shown(figure.sluice),
    shown(figure.baseline),
    figure.ratio === null ? '' : figure.ratio.toFixed(3),
    figure.ratios === null ? '' : figure.ratios.map((ratio) => ratio.toFixed(2)).join('–'),
    shown(figure.p50),
    shown(figure.p99),
    figure.bar ?? '',
    figure.holds === null ? '' : figure.holds ? 'holds' : 'MISSED',
  ]);
  const widths = columns.map((title, at) =>
    Math.max(...[title, ...rows.map((row) => row[at]!)].map((text) => text.length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => (at >= 2 && at <= 7 ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!)))
      .join('  ')
      .trimEnd();
  return [line(columns), ...rows.map(line)].join('\n');
}

function shown(value: number | null): string {
  if (value === null || Number.isNaN(value)) return '';
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

/** The last line. */
export function verdict(figures: readonly Figure[]): string {
  const bars = figures.filter(({ holds }) => holds !== null);
  const missed = bars.filter(({ holds }) => !holds).map(({ name }) => name);
  const list = missed.length > 0 ? `; missed: ${missed.join(', ')}` : '';
  return `${bars.length - missed.length} of ${bars.length} bars hold${list}`;
}
