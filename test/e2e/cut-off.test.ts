/**
 * A leader that is cut off from etcd while its nodes still reach it: another brain leads, and who asks the old one gets in by the
 * new one. And what both say of each other meanwhile, and to those who are no brains.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import { after, before, test } from 'node:test';
import type { Brain } from '../harness/brain.js';
import { stopEverything } from '../harness/ending.js';
import { peakWhile } from '../harness/peak.js';
import type { Postgres } from '../harness/postgres.js';
import type { Protected } from '../harness/protected-database.js';
import { Relay } from '../harness/relay.js';
import { edgeOf, severalBrains } from '../harness/several-brains.js';
import type { Sluice } from '../harness/sluice.js';
import { waitUntil } from '../harness/wait-until.js';
import { visitOf } from './sessions.js';

const ann = { user: 'ann', password: 'correct horse', database: 'orders' };
const budget = 4;
const long = { timeout: 120_000 };

let orders: Protected<Postgres>;
let sluice: Sluice;
/** Between the first brain and etcd. */
let relay: Relay;
let first: Brain;
let second: Brain;

before(async () => {
  const started = await severalBrains({
    count: 2,
    budget,
    account: ann,
    services: {
      checkout: { database: 'orders', max_connections: budget, max_queue: 100, timeout_ms: 60_000 },
    },
    waysOf: async (id, { member }) => {
      if (id !== 'brain-1') return {};
      const [host = '', port] = member.endpoint.split(':');
      relay = await Relay.start({ host, port: Number(port) });
      return { store: `etcd:http://${relay.host}:${relay.port}` };
    },
  });
  ({ orders, sluice } = started);
  [first, second] = started.brains as [Brain, Brain];
  await sluice.envoy.stop();
  await edgeOf(started.brains, 'edge-2');
});

after(stopEverything);

const leadership = async (brain: Brain) => (await brain.status()).leadership;
const metric = async (brain: Brain, name: string): Promise<string | undefined> =>
  new RegExp(`^${name} (\\S+)$`, 'm').exec(await brain.metrics())?.[1];
const readiness = async ({ admin }: Brain): Promise<string> =>
  (await fetch(`http://${admin.host}:${admin.port}/readyz`)).text();

const visit = () => visitOf(sluice, 'checkout', ann);

test('leader and follower say of each other whether they are connected', long, async () => {
  await waitUntil('it follows', async () => (await leadership(second)).link?.open);
  assert.deepEqual(await leadership(first).then(({ role, link }) => [role, link]), ['leader', null]);
  const [row, ...others] = (await leadership(first)).followers;
  assert.equal(row?.brain, 'brain-2');
  assert.deepEqual(others, []);
  assert.deepEqual(
    await Promise.all([first, second].map((brain) => metric(brain, 'sluice_leader_reached'))),
    ['1', '1'],
  );
  assert.equal(await metric(first, 'sluice_follower_nodes\\{brain="brain-2"\\}'), `${row?.nodes}`);
  assert.match(await readiness(second), /"ready":true/);
});

/** The status of the call and its words. */
async function called(files: { certificate: string; key: string; ca: string }): Promise<string> {
  const session = http2.connect(`https://${second.xds.host}:${second.xds.port}`, {
    ...{ cert: readFileSync(files.certificate), key: readFileSync(files.key), ca: readFileSync(files.ca) },
    checkServerIdentity: () => undefined,
  });
  try {
    return await new Promise<string>((resolve, reject) => {
      session.on('error', reject);
      const stream = session.request({
        ':method': 'POST',
        ':path': '/sluice.v1.Brains/Follow',
        'content-type': 'application/grpc',
        // A node's word for it is nothing where there are certificates.
        'x-sluice-brain': 'brain-9',
        te: 'trailers',
      });
      stream.on('error', reject);
      const ended = (headers: http2.IncomingHttpHeaders): void => {
        if (headers['grpc-status'] !== undefined) resolve(`${headers['grpc-status']}`);
      };
      stream.on('response', ended).on('trailers', ended);
      stream.write(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
    });
  } finally {
    session.destroy();
  }
}

test('a node that calls Follow is refused, whatever it calls itself', long, async () => {
  const node = await first.channel!.node('edge-9');
  assert.equal(await called(node), '7');
  // The same call of a brain is heard, and then ended for its term.
  assert.equal(await called(await first.channel!.brainNamed('brain-9')), '10');
});

test(
  'a leader that is cut off from etcd gives its checks back, and they are served by the next leader',
  long,
  async () => {
    await waitUntil('the other follows', async () => (await leadership(second)).link?.open);
    await first.waitUntilReady();
    assert.deepEqual(await visit(), { served: true });
    relay.cut();
    const cut = performance.now();
    await waitUntil('the other leads', async () => (await leadership(second)).role === 'leader');
    const { peak, result: fates } = await peakWhile(
      () => orders.server.count(ann.user),
      () =>
        Promise.all(
          Array.from({ length: 4 * budget }, async () => ({
            ...(await visit()),
            ms: performance.now() - cut,
          })),
        ),
    );
    assert.ok(peak <= budget, `${peak} sessions at once`);
    assert.deepEqual(
      fates.filter(({ served }) => !served),
      [],
    );
    const slowest = Math.max(...fates.map(({ ms }) => ms));
    assert.ok(slowest < 12_000, `the last one was served ${slowest} ms after the cut`);
    assert.equal((await leadership(first)).remaining_ms, 0);
    assert.equal(orders.server.hasSaidTooMany, false);

    relay.mend();
    await waitUntil('the first one follows', async () => (await leadership(first)).link?.open);
    assert.deepEqual(await visit(), { served: true });
  },
);
