/**
 * Who gets what, when: each edge of the protocol page as a script that a node plays against the server over gRPC, where
 * both variants can play it, in both.
 *
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { TypeUrl } from '../../xds-server/pure/snapshot/snapshot.js';
import type { Variant } from '../../xds-server/pure/subscription/exchange.js';
import { ScriptedNode, ServerUnderTest, snapshotOf, until } from './xds-harness.js';

const { cluster, endpoints, listener, secret } = TypeUrl;

interface Stage {
  readonly server: ServerUnderTest;
  readonly node: ScriptedNode;
  readonly variant: Variant;
  connect(): ScriptedNode;
}

type Script = (stage: Stage) => Promise<void>;

async function play(t: TestContext, variant: Variant, script: Script): Promise<void> {
  const server = await ServerUnderTest.start();
  const nodes: ScriptedNode[] = [];
  const connect = () => {
    const node = new ScriptedNode(server, variant);
    nodes.push(node);
    return node;
  };
  t.after(async () => {
    await Promise.all(nodes.map((node) => node.disconnect()));
    await server.stop();
  });
  await script({ server, node: connect(), variant, connect });
}

const inBoth: Record<string, Script> = {
  'an empty first request for clusters means all of them': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1', b: '1' } }));
    node.ask(cluster);
    assert.deepEqual((await node.nextAcked(cluster)).revisions, { a: '1', b: '1' });
  },

  'an empty first request for endpoints or secrets means none of them': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [endpoints]: { a: '1' }, [secret]: { s: '1' } }));
    node.ask(endpoints);
    node.ask(secret);
    await node.expectSilence();
  },

  '`*` means all of them': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1', b: '1' } }));
    node.ask(cluster, { subscribe: ['*'] });
    assert.deepEqual((await node.nextAcked(cluster)).revisions, { a: '1', b: '1' });
  },

  'a wildcard on nothing is answered, because a node waits for it when it starts': async ({
    server,
    node,
  }) => {
    server.xds.publish(snapshotOf({ [cluster]: {} }));
    node.ask(cluster);
    assert.deepEqual((await node.nextAcked(cluster)).revisions, {});
    await node.expectSilence();
  },

  'a plain ACK is never answered': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1' }, [endpoints]: { a: '1' } }));
    node.ask(cluster);
    node.ask(endpoints, { subscribe: ['a'] });
    await node.nextAcked(cluster);
    await node.nextAcked(endpoints);
    await node.expectSilence();
  },

  'a name is sent once it exists': async ({ server, node, variant }) => {
    server.xds.publish(snapshotOf({ [endpoints]: { a: '1' } }));
    node.ask(endpoints, { subscribe: ['a', 'later'] });
    const first = await node.nextAcked(endpoints);
    assert.deepEqual(first.revisions, { a: '1' });
    assert.deepEqual(first.removed, variant === 'delta' ? ['later'] : []);
    server.xds.publish(snapshotOf({ [endpoints]: { a: '1', later: '1' } }));
    assert.deepEqual((await node.nextAcked(endpoints)).revisions, { later: '1' });
  },

  'an unknown name is answered with what there is: nothing': async ({ server, node, variant }) => {
    server.xds.publish(snapshotOf({ [endpoints]: { a: '1' } }));
    node.ask(endpoints, { subscribe: ['nowhere'] });
    const answer = await node.nextAcked(endpoints);
    assert.deepEqual(answer.revisions, {});
    assert.deepEqual(answer.removed, variant === 'delta' ? ['nowhere'] : []);
    await node.expectSilence();
  },

  'the empty name is a name that nothing has, and ends the legacy wildcard': async ({
    server,
    node,
    variant,
  }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
    node.ask(cluster, { subscribe: [''] });
    const answer = await node.nextAcked(cluster);
    assert.deepEqual(answer.revisions, {});
    assert.deepEqual(answer.removed, variant === 'delta' ? [''] : []);
    node.ask(cluster, { unsubscribe: [''] });
    await node.expectSilence();
    server.xds.publish(snapshotOf({ [cluster]: { a: '2' } }));
    await node.expectSilence();
  },

  'a name added to the legacy wildcard is sent again, and everything stays subscribed': async (stage) => {
    const { server, node, variant } = stage;
    server.xds.publish(snapshotOf({ [cluster]: { a: '1', b: '1' } }));
    node.ask(cluster);
    await node.nextAcked(cluster);
    // In SotW the wildcard must be named together with it, or it is given up.
    node.ask(cluster, { subscribe: variant === 'delta' ? ['a'] : ['*', 'a'] });
    assert.equal((await node.nextAcked(cluster)).revisions.a, '1');
    server.xds.publish(snapshotOf({ [cluster]: { a: '1', b: '2' } }));
    assert.equal((await node.nextAcked(cluster)).revisions.b, '2');
  },

  'without `*`, names that are left stay subscribed and the others do not': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1', b: '1' } }));
    node.ask(cluster, { subscribe: ['*', 'a'] });
    await node.nextAcked(cluster);
    node.ask(cluster, { unsubscribe: ['*'] });
    await node.expectSilence();
    server.xds.publish(snapshotOf({ [cluster]: { a: '1', b: '2' } }));
    await node.expectSilence();
    server.xds.publish(snapshotOf({ [cluster]: { a: '2', b: '2' } }));
    assert.deepEqual((await node.nextAcked(cluster)).revisions, { a: '2' });
  },

  'a list that was emptied means nothing, not everything': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
    node.ask(cluster, { subscribe: ['a'] });
    await node.nextAcked(cluster);
    node.ask(cluster, { unsubscribe: ['a'] });
    node.ask(cluster);
    await node.expectSilence();
    server.xds.publish(snapshotOf({ [cluster]: { a: '2', b: '1' } }));
    await node.expectSilence();
  },

  'a name that was given up and is asked for again is sent again though unchanged': async ({
    server,
    node,
  }) => {
    server.xds.publish(snapshotOf({ [endpoints]: { a: '1', b: '1' } }));
    node.ask(endpoints, { subscribe: ['a', 'b'] });
    await node.nextAcked(endpoints);
    node.ask(endpoints, { unsubscribe: ['a'] });
    await node.expectSilence();
    node.ask(endpoints, { subscribe: ['a'] });
    assert.deepEqual((await node.nextAcked(endpoints)).revisions, { a: '1' });
  },

  'only what changed is sent of endpoints and secrets': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [secret]: { s: '1', t: '1' } }));
    node.ask(secret, { subscribe: ['s', 't'] });
    await node.nextAcked(secret);
    server.xds.publish(snapshotOf({ [secret]: { s: '1', t: '2' } }));
    assert.deepEqual((await node.nextAcked(secret)).revisions, { t: '2' });
  },

  'a snapshot that changes nothing sends nothing': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
    node.ask(cluster);
    await node.nextAcked(cluster);
    server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
    await node.expectSilence();
  },

  'nothing is answered before there is a snapshot, then everything': async ({ server, node }) => {
    node.ask(cluster);
    node.ask(listener);
    await until('both requests', () => server.xds.nodes()[0]?.types.length === 2);
    assert.ok(server.xds.nodes()[0]!.types.every(({ sent }) => sent === undefined));
    server.xds.publish(snapshotOf({ [cluster]: { a: '1' }, [listener]: { l: '1' } }));
    assert.deepEqual((await node.nextAcked(cluster)).revisions, { a: '1' });
    assert.deepEqual((await node.nextAcked(listener)).revisions, { l: '1' });
  },

  'a type that no snapshot has holds nothing': async ({ server, node, variant }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
    const routes = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration' as TypeUrl;
    node.ask(routes, { subscribe: ['r'] });
    const answer = await node.nextAcked(routes);
    assert.deepEqual(answer.removed, variant === 'delta' ? ['r'] : []);
  },

  'the newest state wins while a response waits for its ACK': async ({ server, node, variant }) => {
    server.xds.publish(snapshotOf({ [secret]: { s: '0' } }));
    node.ask(secret, { subscribe: ['s'] });
    const waiting = [await node.next(secret)];
    for (let revision = 1; revision <= 50; revision++)
      server.xds.publish(snapshotOf({ [secret]: { s: String(revision) } }));
    await node.collect(waiting);
    assert.ok(waiting.length <= (variant === 'delta' ? 4 : 1), `${waiting.length} responses without an ACK`);
    const taken = [...waiting];
    for (const response of waiting) node.ack(response);
    await node.collect(taken);
    assert.deepEqual(taken.at(-1)?.revisions, { s: '50' });
    assert.ok(taken.length <= 5, `${taken.length} responses for 51 states`);
  },
};

const inDelta: Record<string, Script> = {
  'a name that is asked for again is sent again though unchanged': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [endpoints]: { a: '1' } }));
    node.ask(endpoints, { subscribe: ['a'] });
    await node.nextAcked(endpoints);
    node.ask(endpoints, { subscribe: ['a'] });
    assert.deepEqual((await node.nextAcked(endpoints)).revisions, { a: '1' });
  },

  'what disappears is removed': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1', b: '1' } }));
    node.ask(cluster);
    await node.nextAcked(cluster);
    server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
    assert.deepEqual((await node.nextAcked(cluster)).removed, ['b']);
  },

  'a name given up that the wildcard covers is sent, so that the node keeps it': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
    node.ask(cluster, { subscribe: ['*', 'a'] });
    await node.nextAcked(cluster);
    node.ask(cluster, { unsubscribe: ['a'] });
    assert.deepEqual((await node.nextAcked(cluster)).revisions, { a: '1' });
  },

  'a name given up that the wildcard does not cover is removed': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
    node.ask(cluster, { subscribe: ['*', 'nowhere'] });
    assert.deepEqual((await node.nextAcked(cluster)).removed, ['nowhere']);
    node.ask(cluster, { unsubscribe: ['nowhere'] });
    assert.deepEqual((await node.nextAcked(cluster)).removed, ['nowhere']);
  },

  'a name given up that was never asked for is ignored': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
    node.ask(cluster);
    await node.nextAcked(cluster);
    node.ask(cluster, { unsubscribe: ['a', 'nowhere'] });
    await node.expectSilence();
  },

  'a nonce that is unknown does not stand in the way of a subscription': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [endpoints]: { a: '1', b: '1' } }));
    node.ask(endpoints, { subscribe: ['a'] });
    await node.nextAcked(endpoints);
    node.raw({ type_url: endpoints, resource_names_subscribe: ['b'], response_nonce: 'of another stream' });
    assert.deepEqual((await node.nextAcked(endpoints)).revisions, { b: '1' });
  },

  'a name is answered while an earlier response waits for its ACK': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [endpoints]: { a: '1', b: '1' } }));
    node.ask(endpoints, { subscribe: ['a'] });
    await node.next(endpoints);
    node.ask(endpoints, { subscribe: ['b'] });
    assert.deepEqual((await node.next(endpoints)).revisions, { b: '1' });
  },

  'on reconnect only the difference is sent, and what is gone is removed': async ({
    server,
    node,
    connect,
  }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1', b: '1', gone: '1' } }));
    node.ask(cluster);
    await node.nextAcked(cluster);
    await node.disconnect();
    server.xds.publish(snapshotOf({ [cluster]: { a: '1', b: '2', c: '1' } }));
    const again = connect();
    again.ask(cluster, { initialVersions: { a: 'a@1', b: 'b@1', gone: 'gone@1' } });
    assert.deepEqual((await again.nextAcked(cluster)).revisions, { b: '2', c: '1' });
    assert.deepEqual((await again.nextAcked(cluster)).removed, ['gone']);
    await again.expectSilence();
  },

  'on reconnect with everything at hand nothing is sent': async ({ server, connect }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1' }, [endpoints]: { a: '1' } }));
    const again = connect();
    again.ask(cluster, { initialVersions: { a: 'a@1' } });
    again.ask(endpoints, { subscribe: ['a'], initialVersions: { a: 'a@1' } });
    await again.expectSilence();
    assert.ok(server.xds.isAcked('node-1', cluster, 'a'));
  },

  'initial versions count in the first request of a type only': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [endpoints]: { a: '1', b: '1' } }));
    node.ask(endpoints, { subscribe: ['a'] });
    await node.nextAcked(endpoints);
    node.ask(endpoints, { subscribe: ['b'], initialVersions: { b: 'b@1' } });
    assert.deepEqual((await node.nextAcked(endpoints)).revisions, { b: '1' });
  },
};

const inSotw: Record<string, Script> = {
  'clusters and listeners always come as the whole world': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1', b: '1' } }));
    node.ask(cluster);
    await node.nextAcked(cluster);
    server.xds.publish(snapshotOf({ [cluster]: { a: '1', b: '2' } }));
    assert.deepEqual((await node.nextAcked(cluster)).revisions, { a: '1', b: '2' });
    server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
    assert.deepEqual((await node.nextAcked(cluster)).revisions, { a: '1' });
  },

  'a request with a stale nonce is not answered, the next one is': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [endpoints]: { a: '1', b: '1' } }));
    node.ask(endpoints, { subscribe: ['a'] });
    const first = await node.nextAcked(endpoints);
    server.xds.publish(snapshotOf({ [endpoints]: { a: '2', b: '1' } }));
    const second = await node.next(endpoints);
    node.raw({ type_url: endpoints, resource_names: ['a', 'b'], response_nonce: first.nonce });
    node.ack(second);
    await node.expectSilence();
    node.ask(endpoints, { subscribe: ['b'] });
    assert.deepEqual((await node.nextAcked(endpoints)).revisions, { b: '1' });
  },

  'a stale NACK is not taken for one': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [endpoints]: { a: '1' } }));
    node.ask(endpoints, { subscribe: ['a'] });
    const first = await node.nextAcked(endpoints);
    server.xds.publish(snapshotOf({ [endpoints]: { a: '2' } }));
    await node.nextAcked(endpoints);
    node.nack(first, 'a: no');
    await node.expectSilence();
    assert.deepEqual(server.nacks, []);
  },

  'on reconnect the world is sent whatever version the node names': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
    node.ask(cluster, { version: 'a@1' });
    assert.deepEqual((await node.nextAcked(cluster)).revisions, { a: '1' });
    await node.expectSilence();
  },

  'unsubscribing from what does not exist any more sends nothing': async ({ server, node }) => {
    server.xds.publish(snapshotOf({ [endpoints]: { a: '1', b: '1' } }));
    node.ask(endpoints, { subscribe: ['a', 'b'] });
    await node.nextAcked(endpoints);
    server.xds.publish(snapshotOf({ [endpoints]: { a: '1' } }));
    node.ask(endpoints, { unsubscribe: ['b'] });
    await node.expectSilence();
  },
};

for (const [name, script] of Object.entries(inBoth))
  for (const variant of ['delta', 'sotw'] as const)
    test(`${variant}: ${name}`, (t) => play(t, variant, script));
for (const [name, script] of Object.entries(inDelta)) test(`delta: ${name}`, (t) => play(t, 'delta', script));
for (const [name, script] of Object.entries(inSotw)) test(`sotw: ${name}`, (t) => play(t, 'sotw', script));
