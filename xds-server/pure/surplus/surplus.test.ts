import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { DrivenLedger } from '../../../test/simulation/driven-ledger.js';
import { type PlanSketch, sketch } from '../../../test/simulation/sketch.js';
import { Surplus } from './surplus.js';

const limits = { surplusMs: 500 };
const of = (maxConnections: number): PlanSketch => ({
  services: { checkout: { maxConnections, limits }, other: { limits } },
});
const withBudget = (budget: number, services: PlanSketch['services']): PlanSketch => ({
  targets: { 'orders/primary': { budget } },
  services,
});

let driven: DrivenLedger;
let surplus: Surplus;
let plan: PlanSketch;
/** Since when each rests; who works is not in it. */
let restsSinceMs: Map<string, number>;

function begin(sketched: PlanSketch): void {
  plan = sketched;
  driven = DrivenLedger.recovered(plan);
  surplus = new Surplus();
  restsSinceMs = new Map();
}

/** Each has rested a second longer than the one after it. */
function opened(ids: readonly string[], service = 'checkout'): void {
  for (const [i, id] of ids.entries()) {
    driven.open(id, 100 + driven.ledger.view().sessionCount, service);
    restsSinceMs.set(id, driven.nowMs - 1_000 * (ids.length - i));
  }
}

function change(sketched: PlanSketch): void {
  plan = sketched;
  driven.plan(plan);
}

function ended(id: string): void {
  driven.end(id, 'proxy-closed');
  restsSinceMs.delete(id);
}

const ask = (node = 'n1'): readonly string[] => {
  const offers = [...restsSinceMs].map(([connection, ms]) => ({ connection, idleMs: driven.nowMs - ms }));
  const sources = {
    plan: sketch(plan),
    view: () => driven.ledger.view(),
    session: (connection: string) => driven.ledger.session(connection),
  };
  return surplus.of(node, node === 'n1' ? offers : [], sources, driven.nowMs);
};

/** All sessions are reported, and the node asks again. */
function later(ms = 1_000): readonly string[] {
  driven.pass(ms);
  for (const { connection, service, state } of driven.ledger.view({ sessions: 100 }).sessions)
    if (state === 'session') driven.report(connection, {}, service);
  return ask();
}

beforeEach(() => begin(of(5)));

test('as many as are too many are called, the longest idle first', () => {
  opened(['a', 'b', 'c', 'd']);
  assert.deepEqual(ask(), []);
  change(of(2));
  assert.deepEqual(later(), ['a', 'b']);
  assert.deepEqual(later(), ['a', 'b'], 'nobody else is called in their place');
  ended('a');
  assert.deepEqual(later(), ['b']);
  ended('b');
  assert.deepEqual(later(), []);
});

test('who does not rest, or not for long enough, is not called', () => {
  opened(['a', 'b', 'c', 'd', 'e']);
  restsSinceMs.delete('a');
  change(of(1));
  driven.pass(1_000);
  restsSinceMs.set('c', driven.nowMs - 400);
  assert.deepEqual(ask(), ['b', 'd', 'e']);
});

test('who was called and goes to work gives way to the next', () => {
  opened(['a', 'b']);
  change(of(1));
  assert.deepEqual(later(), ['a']);
  restsSinceMs.delete('a');
  assert.deepEqual(later(), ['a'], 'its end may be on the way');
  later();
  assert.deepEqual(later(), ['b']);
});

test('an end that is not reported yet makes nobody else go', () => {
  opened(['a', 'b', 'c']);
  change(of(2));
  assert.deepEqual(later(), ['a']);
  restsSinceMs.delete('a');
  assert.deepEqual(later(), ['a']);
  ended('a');
  assert.deepEqual(later(), []);
});

test('when others have gone meanwhile, who was called may stay', () => {
  opened(['a', 'b', 'c']);
  change(of(2));
  assert.deepEqual(later(), ['a']);
  ended('c');
  assert.deepEqual(later(), []);
});

test('others go before who was called in vain', () => {
  opened(['a', 'b', 'c']);
  change(of(2));
  for (let second = 0; second < 10; second += 1) assert.deepEqual(later(), ['a']);
  assert.deepEqual(later(), ['b']);
  assert.deepEqual(later(), ['b'], 'and as long as it takes');
});

test('ten a second and target end, not all at once', () => {
  const ids = Array.from({ length: 25 }, (_, i) => `s${String(i).padStart(2, '0')}`);
  const wide = { targets: { 'orders/primary': { budget: 30 } } };
  begin({ ...wide, ...of(25) });
  opened(ids);
  change({ ...wide, ...of(1) });
  assert.deepEqual(later(), ids.slice(0, 10));
  assert.deepEqual(later(500), ids.slice(0, 10));
  assert.deepEqual(later(500), ids.slice(0, 20));
});

test('a smaller budget calls sessions of every service, and spares what is guaranteed', () => {
  const services = { checkout: { guaranteed: 2, limits }, other: { limits }, silent: {} };
  begin(withBudget(10, services));
  opened(['a', 'b', 'c']);
  opened(['x'], 'other');
  opened(['y'], 'silent');
  change(withBudget(2, services));
  assert.deepEqual(later(), ['a', 'x'], 'three are too many; two are owed, and one service lets nobody go');
});

test('where a service and its target shrink together, the one too many of the service is the one of the target', () => {
  const services = (maxConnections: number) => ({ checkout: { maxConnections, limits }, other: { limits } });
  begin(withBudget(4, services(2)));
  opened(['a', 'b']);
  opened(['x', 'y'], 'other');
  restsSinceMs.set('x', 0);
  change(withBudget(3, services(1)));
  assert.deepEqual(later(), ['a']);
});

test('a smaller limit of a tenant calls those that count there, whatever their service’s is by now', () => {
  begin({ ...of(5), tenants: { shop: 5, bank: 5 } });
  opened(['a', 'b', 'c']);
  const moved = { checkout: { tenant: 'bank', limits }, other: { tenant: 'bank', limits } };
  change({ services: moved, tenants: { shop: 5, bank: 5 } });
  opened(['x', 'y'], 'other');
  change({ services: moved, tenants: { shop: 2, bank: 1 } });
  restsSinceMs.set('y', driven.nowMs - 700);
  assert.deepEqual(later().toSorted(), ['a', 'x']);
});

test('of a service that has moved, those go first that are at the target which it has left', () => {
  const targets = { 'orders/primary': {}, 'orders/replica': {} };
  begin({ targets, services: { checkout: { limits } } });
  driven.observed([], { target: 'orders/replica' });
  opened(['a', 'b']);
  const moved = (maxConnections: number): PlanSketch => ({
    targets,
    services: { checkout: { maxConnections, target: 'orders/replica', limits } },
  });
  change(moved(10));
  opened(['n']);
  restsSinceMs.set('n', 0);
  change(moved(2));
  assert.deepEqual(later(), ['a']);
});

test('a reserve for KILL is no room for those who are too many', () => {
  const services = (maxConnections: number): PlanSketch => ({
    services: { checkout: { maxConnections, killReserve: 1, limits } },
  });
  begin(services(5));
  opened(['a', 'b', 'c']);
  change(services(3));
  assert.deepEqual(later(), ['a']);
});

test('a node hears of its own sessions alone, and what it offers of another’s is not heard', () => {
  opened(['a', 'b']);
  change(of(1));
  assert.deepEqual(ask('n2'), []);
  assert.deepEqual(later(), ['a']);
  assert.deepEqual(ask('n2'), []);
  const theirs = [{ connection: 'b', idleMs: 90_000 }];
  const sources = {
    plan: sketch(plan),
    view: () => driven.ledger.view(),
    session: (connection: string) => driven.ledger.session(connection),
  };
  driven.pass(1_000);
  assert.deepEqual(surplus.of('n2', theirs, sources, driven.nowMs), []);
});

test('nobody is called for a target that is counted anew', () => {
  const services = { checkout: { limits } };
  driven = new DrivenLedger(withBudget(1, services));
  change(withBudget(1, services));
  driven.report('a', { serverId: 1 });
  driven.report('b', { serverId: 2 });
  restsSinceMs = new Map([
    ['a', driven.nowMs - 2_000],
    ['b', driven.nowMs - 1_000],
  ]);
  assert.equal(driven.ledger.view().targets.get('orders/primary')!.recovering, true);
  assert.deepEqual(ask(), []);
  for (let second = 0; second < 4; second += 1) later();
  driven.observed([
    { serverId: 1, user: 'u' },
    { serverId: 2, user: 'u' },
  ] as never);
  assert.equal(driven.ledger.view().targets.get('orders/primary')!.recovering, false);
  assert.deepEqual(later(), ['a']);
});
