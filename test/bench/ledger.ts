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

const idOf = (n: number): string => n.toString(16).padStart(32, '0');
const serviceOf = (n: number): string => names[n % services]!;
const addressOf = (n: number): string => `10.1.${n >> 8}.${n & 255}:4000`;
const list = (from: number): ObservedSession[] =>
  Array.from({ length: sessions }, (_, i) => ({ serverId: from + i, peer: addressOf(from + i) }));

type Measure = (what: string, times: number, step: (i: number) => void) => void;

function run(measure: Measure): void {
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
  measure(`check, granted at once (to ${sessions} slots)`, sessions, () => check(serial++));
  measure('report, the first of a connection', sessions, report);
  const after = heapBytes();
  measure(`check, made to wait (to ${waiters} waiters of ${services} services)`, waiters, () =>
    check(serial++),
  );
  measure('report, again', 10 * sessions, (i) => report(i % sessions));
  measure(`end of a session and grant to the next waiter`, 2_000, (i) => {
    nowMs += 0.1;
    ledger.apply({ kind: 'end', ...of(i), evidence: 'server-closed' }, nowMs);
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
  // Of the first run: later the one before may still be there.
  if (globalThis.gc) memory ??= (after - before) / sessions;
  const contradictions = ledger.audit();
  if (contradictions.length > 0) throw new Error(contradictions.join('; '));
}

let memory: number | undefined;

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

/** Processor time, so that what else the machine does matters less. */
function measured(what: string, times: number, step: (i: number) => void): void {
  const started = process.cpuUsage();
  for (let i = 0; i < times; i++) step(i);
  const { user, system } = process.cpuUsage(started);
  const ns = Math.round(((user + system) * 1e3) / times);
  process.stdout.write(`${what.padEnd(58)}${ns.toLocaleString('en').padStart(12)} ns\n`);
}

// The first time is for the compiler.
run((_what, times, step) => {
  for (let i = 0; i < times; i++) step(i);
});
run(measured);
if (memory !== undefined) process.stdout.write(`memory: ${Math.round(memory)} bytes a session\n`);
