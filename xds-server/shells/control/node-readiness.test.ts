import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
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

let service: ServicePlan;
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
    service: () => service,
    needed: ({ cluster }) => [[TypeUrl.cluster, cluster]],
    ...(others && { others }),
  });
}

beforeEach(() => {
  service = before;
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
  assert.equal(await asked, true);
});

test('a brain that is asked for what its node does not have says nothing', async () => {
  service = after;
  assert.equal(await readinessOf().whenHas('n1', 'checkout', after.cluster), false);
});
