import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { DrivenLedger } from '../../../test/simulation/driven-ledger.js';
import { type PlanSketch, sketch } from '../../../test/simulation/sketch.js';
import { type ActivityState, noCounts } from '../activity/activity.js';
import { Surplus } from './surplus.js';

const limits = { surplusMs: 500 };
const of = (maxConnections: number): PlanSketch => ({
  services: { checkout: { maxConnections, limits }, other: { limits } },
});

let driven: DrivenLedger;
let surplus: Surplus;
let plan: PlanSketch;
/** Since when each rests, as its node has said. */
let idleSinceMs: Map<string, number>;
let states: Map<string, ActivityState>;

function begin(sketched: PlanSketch): void {
  plan = sketched;
  driven = DrivenLedger.recovered(plan);
  surplus = new Surplus();
  [idleSinceMs, states] = [new Map(), new Map()];
}

/** Each has rested a second longer than the one after it. */
function opened(ids: readonly string[], service = 'checkout'): void {
  for (const [i, id] of ids.entries()) {
    driven.open(id, 100 + driven.ledger.view().sessionCount, service);
    idleSinceMs.set(id, driven.nowMs - 1_000 * (ids.length - i));
  }
}

function change(sketched: PlanSketch): void {
  plan = sketched;
  driven.plan(plan);
}

const ask = (node = 'n1'): readonly string[] => {
  const sources = {
    plan: sketch(plan),
    view: driven.ledger.view.bind(driven.ledger),
    activity: (connection: string) => {
      const sinceMs = idleSinceMs.get(connection);
      const forMs = sinceMs === undefined ? undefined : driven.nowMs - sinceMs;
      return { state: states.get(connection) ?? 'idle', forMs, counts: noCounts } as const;
    },
  };
  return surplus.of(node, sources, driven.nowMs);
};

/** And asks again, when there may be another answer. */
function later(ms = 1_000): readonly string[] {
  driven.pass(ms);
  return ask();
}

beforeEach(() => begin(of(5)));

test('as many as are too many are called, the longest idle first', () => {
  opened(['a', 'b', 'c', 'd']);
  assert.deepEqual(ask(), []);
  change(of(2));
  assert.deepEqual(later(), ['a', 'b']);
  assert.deepEqual(later(), ['a', 'b'], 'nobody else is called in their place');
  driven.end('a', 'proxy-closed');
  assert.deepEqual(later(), ['b']);
  driven.end('b', 'proxy-closed');
  assert.deepEqual(later(), []);
});

test('who works, is in a transaction or has not rested for long enough is not called', () => {
  opened(['a', 'b', 'c', 'd', 'e']);
  states.set('a', 'active').set('b', 'transaction');
  change(of(1));
  driven.pass(1_000);
  idleSinceMs.set('c', driven.nowMs - 400);
  assert.deepEqual(ask(), ['d', 'e']);
});

test('who was called and goes to work gives way to the next', () => {
  opened(['a', 'b']);
  change(of(1));
  assert.deepEqual(later(), ['a']);
  states.set('a', 'active');
  assert.deepEqual(later(), ['b']);
});

test('when others have gone meanwhile, who was called may stay', () => {
  opened(['a', 'b', 'c']);
  change(of(2));
  assert.deepEqual(later(), ['a']);
  driven.end('c', 'proxy-closed');
  assert.deepEqual(later(), []);
});

test('a session that is called in vain is called no more, and another one is', () => {
  opened(['a', 'b']);
  change(of(1));
  assert.deepEqual(later(), ['a']);
  for (let second = 0; second < 9; second += 1) {
    for (const id of ['a', 'b']) driven.report(id);
    assert.deepEqual(later(), ['a']);
  }
  assert.deepEqual(later(), ['b']);
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
  const services = (budget: number): PlanSketch => ({
    targets: { 'orders/primary': { budget } },
    services: { checkout: { guaranteed: 2, limits }, other: { limits }, deaf: {} },
  });
  begin(services(10));
  opened(['a', 'b', 'c']);
  opened(['x'], 'other');
  opened(['y'], 'deaf');
  change(services(2));
  assert.deepEqual(later(), ['a', 'x'], 'three are too many; two are owed, and one service lets nobody go');
});

test('a smaller limit of a tenant does as well', () => {
  begin({ ...of(5), tenants: { shop: 4 } });
  opened(['a', 'b']);
  opened(['x', 'y'], 'other');
  change({ ...of(5), tenants: { shop: 2 } });
  idleSinceMs.set('x', 0);
  assert.deepEqual(later(), ['x', 'a']);
});

test('a node hears of its own sessions alone, and those of one that does not ask are not called', () => {
  opened(['a', 'b']);
  change(of(1));
  assert.deepEqual(ask('n2'), []);
  assert.deepEqual(later(), ['a']);
  assert.deepEqual(ask('n2'), []);
});

test('nobody is called while the target is counted anew', () => {
  opened(['a', 'b']);
  change(of(5));
  const restarted = new DrivenLedger({ ...of(5), targets: { 'orders/primary': { budget: 1 } } });
  driven = restarted;
  restarted.report('a', { serverId: 1 });
  restarted.report('b', { serverId: 2 });
  assert.equal(restarted.ledger.view().targets.get('orders/primary')!.recovering, true);
  assert.deepEqual(ask(), []);
});
