/**
 * What one event costs the ledger in processor time, and what one session costs in memory: at sizes beyond what one brain
 * should see, beside a tenth of them.
 *
 *   node --expose-gc --import tsx test/bench/ledger.ts     a table, and one JSON line last
 */
import type { ObservedSession } from '../../xds-server/pure/ledger/events.js';
import { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import { defaultSettings, recoveryMs } from '../../xds-server/pure/ledger/settings.js';
import { sketch } from '../simulation/sketch.js';
import { median } from './statistics.js';

const sizes = [
  { sessions: 10_000, waiters: 1_000 },
  { sessions: 100_000, waiters: 10_000 },
] as const;
const services = 100;
const barBytes = 1_024;
const target = 'orders/primary';

const names = Array.from({ length: services }, (_, i) => `s${i}`);
const planFor = ({ sessions, waiters }: Size) =>
  sketch({
    targets: { [target]: { budget: sessions } },
    services: Object.fromEntries(
      names.map((name, i) => [
        name,
        { maxConnections: sessions, priority: i % 3, guaranteed: 10, maxQueue: waiters, timeoutMs: 600_000 },
      ]),
    ),
  });

type Size = (typeof sizes)[number];

const idOf = (n: number): string => n.toString(16).padStart(32, '0');
const serviceOf = (n: number): string => names[n % services]!;
const addressOf = (n: number): string => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}:4000`;

/** @param parts of one step; 1 unless said otherwise */
type Measure = (what: string, times: number, step: (i: number) => void, parts?: number) => void;

/** @returns bytes a session; undefined where garbage cannot be collected first */
function run(size: Size, measure: Measure): number | undefined {
  const { sessions, waiters } = size;
  const plan = planFor(size);
  const list = (from: number): ObservedSession[] =>
    Array.from({ length: sessions }, (_, i) => ({ serverId: from + i, peer: addressOf(from + i) }));
  const ledger = new Ledger(defaultSettings);
  let nowMs = 0;
  let serial = 0;
  const of = (n: number) => ({
    connection: idOf(n),
    node: 'n1',
    service: serviceOf(n),
    upstream: { localAddress: addressOf(n), remoteAddress: '10.0.0.5:5432', serverId: n },
  });
  const check = (n: number): void => {
    ledger.apply(
      { kind: 'check', connection: idOf(n), node: 'n1', service: serviceOf(n), waitedMs: 0 },
      nowMs,
    );
  };
  const report = (n: number): void => {
    ledger.apply({ kind: 'report', ...of(n) }, nowMs);
  };
  const observe = (rows: readonly ObservedSession[]): void => {
    const facts = { askedAtMs: nowMs, own: [], listsLogins: true, loginTimeoutMs: 60_000 };
    ledger.apply({ kind: 'observed', target, sessions: rows, ...facts }, nowMs);
  };

  ledger.apply({ kind: 'plan', plan }, nowMs);
  nowMs = recoveryMs(defaultSettings);
  observe([]);
  const before = heapBytes();
  measure('check, granted at once', sessions, () => check(serial++));
  measure('report, the first of a connection', sessions, report);
  observe(list(0));
  const after = heapBytes();
  measure('check, made to wait', waiters, () => check(serial++));
  measure('report, again', 10 * sessions, (i) => report(i % sessions));
  measure('end of a session and grant to the next waiter', waiters, (i) => {
    nowMs += 0.1;
    ledger.apply({ kind: 'end', ...of(i), evidence: 'server-closed' }, nowMs);
  });
  measure('check and cancel', 20_000, () => {
    check(serial);
    ledger.apply({ kind: 'cancel', connection: idOf(serial++) }, nowMs);
  });
  const rows = list(waiters);
  measure(
    'session list, a row',
    5,
    () => {
      nowMs += 1;
      observe(rows);
    },
    sessions,
  );
  measure('plan, unchanged', 10, () => ledger.apply({ kind: 'plan', plan }, nowMs));
  measure('view of everything, as for a scrape', 100, () => ledger.view());
  const contradictions = ledger.audit();
  if (contradictions.length > 0) throw new Error(contradictions.join('; '));
  return globalThis.gc && (after - before) / sessions;
}

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

/** What one took in nanoseconds. Processor time, so that what else the machine does matters less. */
type Row = Map<string, number>;

function measuring(row: Row): Measure {
  return (what, times, step, parts = 1) => {
    const started = process.cpuUsage();
    for (let i = 0; i < times; i++) step(i);
    const { user, system } = process.cpuUsage(started);
    row.set(what, ((user + system) * 1e3) / (times * parts));
  };
}

const columns = sizes.map((size) => {
  // The first time is for the compiler, and alone has nothing before it that may still be there.
  const bytes = run(size, (_what, times, step) => {
    for (let i = 0; i < times; i++) step(i);
  });
  const rounds = Array.from({ length: 3 }, () => {
    const row: Row = new Map();
    run(size, measuring(row));
    return row;
  });
  const ns = new Map(
    [...rounds[0]!.keys()].map((what) => [what, median(rounds.map((row) => row.get(what)!))]),
  );
  return { ...size, bytes, ns };
});

const [small, large] = [columns[0]!, columns[1]!];
const cell = (text: string) => text.padStart(16);
const number = (value: number) => cell(Math.round(value).toLocaleString('en'));
const line = (what: string, ...cells: readonly string[]) =>
  process.stdout.write(`${what.padEnd(50)}${cells.join('')}\n`);
line('sessions', ...columns.map(({ sessions }) => number(sessions)), cell('ratio'));
line('waiters', ...columns.map(({ waiters }) => number(waiters)));
for (const [what, ns] of large.ns) {
  const before = small.ns.get(what)!;
  line(`${what}, ns`, number(before), number(ns), cell((ns / before).toFixed(2)));
}
const bytes = large.bytes;
if (bytes !== undefined)
  line('memory of a session, bytes', ...columns.map((column) => number(column.bytes!)));
process.stdout.write(
  `${JSON.stringify({
    sessions: large.sessions,
    waiters: large.waiters,
    ...(bytes !== undefined && {
      bytes_a_session: Math.round(bytes),
      bar_bytes: barBytes,
      holds: bytes <= barBytes,
    }),
    events_a_second: Object.fromEntries([...large.ns].map(([what, ns]) => [what, Math.round(1e9 / ns)])),
  })}\n`,
);
