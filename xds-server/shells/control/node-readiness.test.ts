import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { sketch } from '../../../test/simulation/sketch.js';
import { Claims } from '../../pure/peers/claims.js';
import type { ServicePlan } from '../../pure/plan/plan.js';
import { TypeUrl } from '../../pure/snapshot/snapshot.js';
import { NodeReadiness } from './node-readiness.js';

const at = (host: string): ServicePlan =>
  sketch({
    targets: { 'orders/primary': { endpoints: [{ host, port: 5432 }] } },
    services: { checkout: {} },
  }).services.get('checkout')!;
const before = at('10.0.0.5');
const after = at('10.0.0.6');

let service: ServicePlan | undefined;
let lookUps: number;
/** What a node has, by its name. */
let acked: Set<string>;

function readinessOf(others?: Claims<string>): NodeReadiness {
  return new NodeReadiness({
    now: () => performance.now(),
    own: {
      isConnected: () => others === undefined,
      isAcked: (_node, _type, name) => acked.has(name),
      whenAcked: async (_node, _type, name) => acked.has(name),
    },
    service: () => {
      lookUps += 1;
      return service;
    },
    needed: ({ cluster }) => [[TypeUrl.cluster, cluster]],
    ...(others && { others }),
  });
}

beforeEach(() => {
  service = before;
  lookUps = 0;
  acked = new Set([before.cluster]);
});

test('a node of this brain’s own is ready when it has the cluster by which the service is known now', () => {
  const readiness = readinessOf();
  assert.equal(readiness.isReady('n1', 'checkout'), true);
  service = after;
  assert.equal(readiness.isReady('n1', 'checkout'), false);
});

test('what another brain says of its node under an older spec is not believed for a newer one', () => {
  const claims = new Claims<string>({ now: () => 0, ask: () => undefined });
  const readiness = readinessOf(claims);
  claims.claim('b2', 'n1', undefined);
  service = after;
  claims.planned();
  // It was on its way.
  claims.becameReady('b2', 'n1', before.cluster);
  assert.equal(readiness.isReady('n1', 'checkout'), false);
  claims.becameReady('b2', 'n1', after.cluster);
  assert.equal(readiness.isReady('n1', 'checkout'), true);
});

test('a brain that is asked under a newer spec answers when it goes by that itself', async () => {
  const readiness = readinessOf();
  const asked = readiness.whenHas('n1', 'checkout', after.cluster);
  acked.add(after.cluster);
  service = after;
  readiness.planned();
  assert.equal(await asked, true);
});

test('checks for a service that the spec lacks are looked at when there is another spec, and at no other time', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const [checks, readiness, told] = [10_000, readinessOf(), [] as boolean[]];
  service = undefined;
  const ask = (): void => readiness.whenReady('n1', 'checkout', 60_000, (isReady) => told.push(isReady));
  for (let each = 0; each < checks; each++) ask();
  const asked = readiness.whenHas('n1', 'checkout', after.cluster);
  for (let turn = 0; turn < 95; turn++) {
    mock.timers.tick(20);
    await nextTurn();
  }
  assert.deepEqual([lookUps, told.length], [checks + 1, 0]);

  service = before;
  readiness.planned();
  await nextTurn();
  assert.ok(lookUps <= checks + 2, `${lookUps}`);
  assert.equal(told.filter((isReady) => isReady).length, checks);
  mock.timers.tick(100);
  assert.equal(await asked, false, 'it means the service by another spec');
});

test('who waits for a service that never comes is told so when his time is over, and one too many at once', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const [readiness, told] = [readinessOf(), [] as boolean[]];
  service = undefined;
  const ask = (): void => readiness.whenReady('n1', 'checkout', 60_000, (isReady) => told.push(isReady));
  for (let each = 0; each <= 100_000; each++) ask();
  await nextTurn();
  assert.deepEqual(told, [false]);
  mock.timers.tick(2_000);
  await nextTurn();
  assert.equal(told.length, 100_001);
  ask();
  await nextTurn();
  assert.equal(told.length, 100_001, 'there is room again');
});

test('a brain that is asked for what its node does not have says nothing', async () => {
  service = after;
  assert.equal(await readinessOf().whenHas('n1', 'checkout', after.cluster), false);
});
