/**
 * What one event costs the ledger in processor time, and what one session costs in memory, at sizes beyond what one brain should see:
 *
 *   node --expose-gc --import tsx test/bench/ledger.ts
 */
import type { ObservedSession } from '../../xds-server/pure/ledger/events.js';
import { Ledger } from '../../xds-server/pure/ledger/ledger.js';
import { defaultSettings, recoveryMs } from '../../xds-server/pure/ledger/settings.js';
import { sketch } from '../simulation/sketch.js';

const sessions = 10_000;
const waiters = 3_000;
const services = 100;
const target = 'orders/primary';

const names = Array.from({ length: services }, (_, i) => `s${i}`);
const plan = sketch({
  targets: { [target]: { budget: sessions } },
  services: Object.fromEntries(
    names.map((name, i) => [
      name,
      { maxConnections: sessions, priority: i % 3, guaranteed: 10, maxQueue: waiters, timeoutMs: 600_000 },
    ]),
  ),
});

const ledger = new Ledger(defaultSettings);
let nowMs = 0;
let serial = 0;

const idOf = (n: number): string => n.toString(16).padStart(32, '0');
const serviceOf = (n: number): string => names[n % services]!;
const upstream = (n: number) => ({
  localAddress: `10.1.${n >> 8}.${n & 255}:4000`,
  serverId: n,
  remoteAddress: '10.0.0.5:5432',
});
const list = (from: number): ObservedSession[] =>
  Array.from({ length: sessions }, (_, i) => ({ serverId: from + i, peer: upstream(from + i).localAddress }));

function check(n: number): void {
  ledger.apply({ kind: 'check', connection: idOf(n), node: 'n1', service: serviceOf(n), waitedMs: 0 }, nowMs);
}

function report(n: number): void {
  ledger.apply(
    { kind: 'report', connection: idOf(n), node: 'n1', service: serviceOf(n), upstream: upstream(n) },
    nowMs,
  );
}

function end(n: number): void {
  ledger.apply(
    {
      kind: 'end',
      connection: idOf(n),
      node: 'n1',
      service: serviceOf(n),
      upstream: upstream(n),
      evidence: 'server-closed',
    },
    nowMs,
  );
}

function observe(rows: readonly ObservedSession[]): void {
  ledger.apply(
    {
      kind: 'observed',
      target,
      askedAtMs: nowMs,
      sessions: rows,
      own: [],
      listsLogins: true,
      loginTimeoutMs: 60_000,
    },
    nowMs,
  );
}

function measure(what: string, times: number, step: (i: number) => void): void {
  const started = process.cpuUsage();
  for (let i = 0; i < times; i++) step(i);
  const { user, system } = process.cpuUsage(started);
  const ns = ((user + system) * 1e3) / times;
  process.stdout.write(`${what.padEnd(58)}${Math.round(ns).toLocaleString('en').padStart(12)} ns\n`);
}

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

ledger.apply({ kind: 'plan', plan }, nowMs);
nowMs = recoveryMs(defaultSettings);
observe([]);
const before = heapBytes();
measure(`check, granted at once (to ${sessions} slots)`, sessions, () => check(serial++));
measure('report, the first of a connection', sessions, (i) => report(i));
const after = heapBytes();
measure(`check, made to wait (to ${waiters} waiters of ${services} services)`, waiters, () =>
  check(serial++),
);
measure('report, again', 10 * sessions, (i) => report(i % sessions));
measure('end of a session and grant to the next of 3,000 waiters', 2_000, (i) => {
  nowMs += 0.1;
  end(i);
});
measure('check and cancel, with 1,000 waiters', 20_000, () => {
  check(serial);
  ledger.apply({ kind: 'cancel', connection: idOf(serial++) }, nowMs);
});
const rows = list(2_000);
measure(`session list of ${sessions} rows`, 20, () => {
  nowMs += 1;
  observe(rows);
});
measure('plan, unchanged', 20, () => ledger.apply({ kind: 'plan', plan }, nowMs));
measure('view of everything, as for a scrape', 200, () => ledger.view());
if (globalThis.gc)
  process.stdout.write(`memory: ${Math.round((after - before) / sessions)} bytes a session\n`);
const contradictions = ledger.audit();
if (contradictions.length > 0) throw new Error(contradictions.join('; '));
