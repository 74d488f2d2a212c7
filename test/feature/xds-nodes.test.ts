/**
 * What happens between the server and its nodes beyond who gets what: refusals, order, pace, bounds, and what the
 * server tells about its nodes.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { TypeUrl } from '../../xds-server/pure/snapshot/snapshot.js';
import type { Variant } from '../../xds-server/pure/subscription/exchange.js';
import type { Bounds } from '../../xds-server/shells/xds/bounds.js';
import { resource, ScriptedNode, ServerUnderTest, setOf, snapshotOf, until } from './xds-harness.js';

const { cluster, endpoints, listener, runtime, secret } = TypeUrl;

async function start(t: TestContext, bounds: Partial<Bounds> = {}) {
  const server = await ServerUnderTest.start(bounds);
  const nodes: ScriptedNode[] = [];
  t.after(async () => {
    await Promise.all(nodes.map((node) => node.disconnect()));
    await server.stop();
  });
  const connect = (variant: Variant = 'delta', id = 'node-1', channelOf?: string) => {
    const node = new ScriptedNode(server, variant, id, channelOf);
    nodes.push(node);
    return node;
  };
  return { server, connect };
}

for (const variant of ['delta', 'sotw'] as const) {
  test(`${variant}: a refused version is not pushed again, the last good one stays, its owner is named`, async (t) => {
    const { server, connect } = await start(t);
    const node = connect(variant);
    server.xds.publish(snapshotOf({ [cluster]: { a: '1', b: '1' } }));
    node.ask(cluster);
    await node.nextAcked(cluster);

    server.xds.publish(snapshotOf({ [cluster]: { a: 'bad', b: '1' } }));
    node.nack(await node.next(cluster), 'Error adding/updating cluster(s) a: no such thing');
    await node.expectSilence();
    assert.deepEqual(server.nacks, [
      {
        node: 'node-1',
        typeUrl: cluster,
        owner: 'services.a',
        message: 'Error adding/updating cluster(s) a: no such thing',
      },
    ]);
    assert.ok(server.xds.isAcked('node-1', cluster, 'a'), 'the version before is there');
    await until('the node is seen to refuse', () => server.xds.nodes()[0]?.convergence === 'rejected');
    assert.equal(server.xds.nodes()[0]?.types[0]?.lastRejection?.owner, 'services.a');

    server.xds.publish(snapshotOf({ [cluster]: { a: 'bad', b: '2' } }));
    const other = await node.nextAcked(cluster);
    // The world in SotW holds the last good one: without it the node would delete it.
    assert.deepEqual(other.revisions, variant === 'delta' ? { b: '2' } : { a: '1', b: '2' });

    server.xds.publish(snapshotOf({ [cluster]: { a: '3', b: '2' } }));
    assert.equal((await node.nextAcked(cluster)).revisions.a, '3');
    await until('the node is whole', () => server.xds.nodes()[0]?.convergence === 'converged');
  });

  test(`${variant}: a refusal that names nobody is searched until the culprit stands alone`, async (t) => {
    const { server, connect } = await start(t);
    const node = connect(variant);
    const names = Array.from({ length: 20 }, (_, index) => `s${index}`);
    const all = (bad: string) => Object.fromEntries(names.map((name) => [name, name === bad ? 'bad' : '1']));
    server.xds.publish(snapshotOf({ [cluster]: all('s13') }));
    node.ask(cluster);
    let responses = 0;
    const isSearching = () => server.xds.nodes()[0]?.types[0]?.convergence !== 'rejected';
    while (responses === 0 || isSearching()) {
      for (const response of await node.collect()) {
        responses += 1;
        if ('s13' in response.revisions && response.revisions.s13 === 'bad') node.nack(response, 'no');
        else node.ack(response);
      }
      assert.ok(responses < 30);
    }
    await node.expectSilence();
    assert.deepEqual(
      server.nacks.map(({ owner }) => owner),
      ['services.s13'],
    );
    for (const name of names) assert.equal(server.xds.isAcked('node-1', cluster, name), name !== 's13', name);
  });

  test(`${variant}: additions go clusters, endpoints, listeners; removals listeners, clusters, endpoints`, async (t) => {
    const { server, connect } = await start(t);
    const node = connect(variant);
    const types = [listener, endpoints, cluster];
    const subscribe = { [listener]: [], [endpoints]: ['a', 'b'], [cluster]: [] } as Record<string, string[]>;
    server.xds.publish(snapshotOf({}));
    for (const typeUrl of types) {
      node.ask(typeUrl, { subscribe: subscribe[typeUrl]! });
      await node.nextAcked(typeUrl);
    }
    await node.expectSilence();
    const next = async () => {
      const { typeUrl, revisions, removed } = await node.nextAcked();
      return [typeUrl, Object.keys(revisions).join(), removed.join()];
    };

    const of = (name: string) => ({ [name]: '1' });
    server.xds.publish(snapshotOf({ [listener]: of('l'), [endpoints]: of('a'), [cluster]: of('a') }));
    assert.deepEqual(
      [await next(), await next(), await next()],
      [
        [cluster, 'a', ''],
        [endpoints, 'a', ''],
        [listener, 'l', ''],
      ],
    );
    server.xds.publish(snapshotOf({ [listener]: of('m'), [endpoints]: of('b'), [cluster]: of('b') }));
    // In SotW the old ones stay in the world until their turn to go; there is no word for endpoints that go.
    assert.deepEqual(
      [await next(), await next(), await next(), await next(), await next()],
      variant === 'delta'
        ? [
            [cluster, 'b', ''],
            [endpoints, 'b', ''],
            [listener, 'm', ''],
            [listener, '', 'l'],
            [cluster, '', 'a'],
          ]
        : [
            [cluster, 'a,b', ''],
            [endpoints, 'b', ''],
            [listener, 'l,m', ''],
            [listener, 'm', ''],
            [cluster, 'b', ''],
          ],
    );
    if (variant === 'delta') assert.deepEqual(await next(), [endpoints, '', 'a']);
    await node.expectSilence();
  });

  test(`${variant}: endpoints are sent again after each change of their cluster, though unchanged`, async (t) => {
    const { server, connect } = await start(t);
    const node = connect(variant);
    server.xds.publish(snapshotOf({ [cluster]: { a: '1', b: '1' }, [endpoints]: { a: '1', b: '1' } }));
    node.ask(cluster);
    await node.nextAcked(cluster);
    node.ask(endpoints, { subscribe: ['a', 'b'] });
    await node.nextAcked(endpoints);

    server.xds.publish(snapshotOf({ [cluster]: { a: '2', b: '1' }, [endpoints]: { a: '1', b: '1' } }));
    const changed = await node.next(cluster);
    // Before the cluster's ACK: a node withholds it until the cluster has its endpoints.
    assert.deepEqual((await node.nextAcked(endpoints)).revisions, { a: '1' });
    node.ack(changed);
    await node.expectSilence();
  });

  test(`${variant}: endpoints that a node brings along are sent again when their cluster has changed`, async (t) => {
    const { server, connect } = await start(t);
    const node = connect(variant);
    server.xds.publish(snapshotOf({ [cluster]: { a: '2', b: '1' }, [endpoints]: { a: '1', b: '1' } }));
    node.ask(cluster, { initialVersions: { a: 'a@1', b: 'b@1' }, version: 'before' });
    const changed = await node.next(cluster);
    node.ask(endpoints, {
      subscribe: ['a', 'b'],
      initialVersions: { a: 'a@1', b: 'b@1' },
      version: 'before',
    });
    assert.equal((await node.nextAcked(endpoints)).revisions.a, '1');
    node.ack(changed);
    await node.expectSilence();
  });

  test(`${variant}: a node that does not read costs nothing and gets the newest state in the end`, async (t) => {
    const { server, connect } = await start(t);
    const node = connect(variant);
    const padding = 100_000;
    const publish = (revision: string) => {
      const secrets = Array.from({ length: 20 }, (_, index) =>
        resource(secret, `s${index}`, revision, padding),
      );
      const set = { version: revision, resources: new Map(secrets.map((each) => [each.name, each])) };
      server.xds.publish(snapshotOf({ [secret]: set, [runtime]: { r: revision } }));
    };
    publish('0');
    node.ask(secret, { subscribe: Array.from({ length: 20 }, (_, index) => `s${index}`) });
    await until('the first response is on its way', () => server.xds.nodes()[0]?.types[0]?.sent === '0');
    node.pause();
    for (let revision = 1; revision <= 50; revision++) publish(String(revision));
    node.resume();
    const revisions: Record<string, string> = {};
    let responses = 0;
    while (Object.values(revisions).some((revision) => revision !== '50') || responses === 0) {
      const response = await node.nextAcked(secret);
      Object.assign(revisions, response.revisions);
      responses += 1;
    }
    assert.ok(responses <= 3, `${responses} responses for 51 states`);
  });

  test(`${variant}: a stream past its number of names is ended with a reason`, async (t) => {
    const { server, connect } = await start(t, { maxNames: 10 });
    server.xds.publish(snapshotOf({ [endpoints]: {} }));
    const node = connect(variant);
    node.ask(endpoints, { subscribe: Array.from({ length: 11 }, (_, index) => `s${index}`) });
    const { code, details } = await node.status;
    assert.equal(code, status.RESOURCE_EXHAUSTED);
    assert.match(details, /at most 10 names, this one has 11/);
    await until('the node is forgotten', () => server.xds.nodes().length === 0);
  });

  test(`${variant}: a name that nothing has is no name to remember: the stream is ended with a reason`, async (t) => {
    const { server, connect } = await start(t);
    const node = connect(variant);
    node.ask(endpoints, { subscribe: ['s'.repeat(1025)] });
    const { code, details } = await node.status;
    assert.equal(code, status.INVALID_ARGUMENT);
    assert.match(details, /names of at most 1024 characters/);
    await until('the node is forgotten', () => server.xds.nodes().length === 0);
  });

  test(`${variant}: a stream without a node is refused`, async (t) => {
    const { connect } = await start(t);
    const node = connect(variant, '');
    node.ask(cluster);
    const { code, details } = await node.status;
    assert.equal(code, status.PERMISSION_DENIED);
    assert.match(details, /expected node\.id .* found none/);
  });
}

test('a stream whose node is not that of its channel is refused', async (t) => {
  const { connect } = await start(t);
  const node = connect('delta', 'node-1', 'node-2');
  node.ask(cluster);
  const { code, details } = await node.status;
  assert.equal(code, status.PERMISSION_DENIED);
  assert.match(details, /that of the channel, node-2, found "node-1"/);
});

test('a stream that stays silent is ended', async (t) => {
  const { connect } = await start(t, { firstRequestMs: 20 });
  const { code } = await connect().status;
  assert.equal(code, status.DEADLINE_EXCEEDED);
});

test('a stream too many is refused, and has its place when another one goes', async (t) => {
  const { server, connect } = await start(t, { maxStreams: 1 });
  server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
  const first = connect();
  first.ask(cluster);
  await first.nextAcked(cluster);
  const second = connect('delta', 'node-2');
  second.ask(cluster);
  assert.equal((await second.status).code, status.RESOURCE_EXHAUSTED);
  await first.disconnect();
  await until('the first is gone', () => server.xds.nodes().length === 0);
  const third = connect('delta', 'node-3');
  third.ask(cluster);
  await third.nextAcked(cluster);
});

test('a stream without a type, or with too many, is ended', async (t) => {
  const { connect } = await start(t, { maxTypes: 2 });
  const typeless = connect();
  typeless.ask('' as TypeUrl);
  assert.equal((await typeless.status).code, status.INVALID_ARGUMENT);
  const curious = connect('delta', 'node-2');
  for (const typeUrl of [cluster, listener, secret]) curious.ask(typeUrl);
  assert.equal((await curious.status).code, status.RESOURCE_EXHAUSTED);
});

test('an unknown secret is answered by the fallback, up to a number of names a stream, the newest', async (t) => {
  const { server, connect } = await start(t, { maxFallbacks: 2 });
  const fallback = (name: string) => (name.includes('.') ? resource(secret, name, 'default') : undefined);
  server.xds.publish(snapshotOf({ [secret]: setOf(secret, { 'own.example': '1' }, fallback) }));
  const node = connect();
  const ask = async (name: string) => {
    node.ask(secret, { subscribe: [name] });
    const { revisions, removed } = await node.nextAcked(secret);
    return removed[0] === name ? 'none' : revisions[name];
  };
  assert.equal(await ask('own.example'), '1');
  assert.equal(await ask('x.example'), 'default');
  assert.equal(await ask('nonsense'), 'none');
  assert.equal(await ask('y.example'), 'default');
  assert.equal(await ask('own.example'), '1', 'a known name is not counted');
  assert.equal(await ask('z.example'), 'default', 'the newest has its place');
  assert.deepEqual((await node.nextAcked(secret)).removed, ['x.example'], 'which is the oldest one’s');
  node.ask(secret, { unsubscribe: ['x.example'] });

  const renewed = (name: string) => resource(secret, name, 'renewed');
  server.xds.publish(
    snapshotOf({
      [secret]: { ...setOf(secret, { 'own.example': '1', 'y.example': '1' }, renewed), version: 'v' },
    }),
  );
  const { revisions } = await node.nextAcked(secret);
  assert.equal(revisions['z.example'], 'renewed', 'a fallback that changes is sent');
  assert.equal(revisions['y.example'], '1', 'a name that comes to exist has its own');
});

test('whenAcked resolves when the node says so, and not before', async (t) => {
  const { server, connect } = await start(t);
  server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
  const node = connect();
  node.ask(cluster);
  await node.nextAcked(cluster);
  await node.expectSilence();

  server.xds.publish(snapshotOf({ [cluster]: { a: '1', b: '1' } }));
  const pending = await node.next(cluster);
  assert.ok(!server.xds.isAcked('node-1', cluster, 'b'));
  const acked = server.xds.whenAcked('node-1', cluster, 'b', 5_000);
  const never = server.xds.whenAcked('node-1', cluster, 'nowhere', 10);
  assert.equal(await never, false);
  node.ack(pending);
  assert.equal(await acked, true);
  assert.equal(await server.xds.whenAcked('node-1', cluster, 'b', 0), true);
  assert.equal(await server.xds.whenAcked('node-2', cluster, 'b', 1), false);
});

test('a removal that is on its way counts as done', async (t) => {
  const { server, connect } = await start(t);
  server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
  const node = connect();
  node.ask(cluster);
  await node.nextAcked(cluster);
  await node.expectSilence();
  assert.ok(server.xds.isAcked('node-1', cluster, 'a'));
  server.xds.publish(snapshotOf({ [cluster]: {} }));
  await node.next(cluster);
  assert.ok(!server.xds.isAcked('node-1', cluster, 'a'));
});

test('of two streams of one node both must hold a resource', async (t) => {
  const { server, connect } = await start(t);
  server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
  const old = connect();
  old.ask(cluster);
  await old.nextAcked(cluster);
  await old.expectSilence();
  const young = connect('sotw');
  young.ask(cluster);
  await young.next(cluster);
  assert.ok(!server.xds.isAcked('node-1', cluster, 'a'));
  const acked = server.xds.whenAcked('node-1', cluster, 'a', 5_000);
  await young.disconnect();
  assert.equal(await acked, true);
});

test('a node converges once for each snapshot, and only when it holds all of it', async (t) => {
  const { server, connect } = await start(t);
  const node = connect();
  const first = snapshotOf({ [cluster]: { a: '1' } });
  server.xds.publish(first);
  node.ask(cluster);
  const response = await node.next(cluster);
  assert.equal(server.converged.length, 0);
  node.ack(response);
  await node.expectSilence();
  assert.deepEqual(
    server.converged.map(({ node, version }) => [node, version]),
    [['node-1', first.version]],
  );
  assert.ok(server.converged[0]!.seconds >= 0 && server.converged[0]!.seconds < 5);

  server.xds.publish(snapshotOf({ [cluster]: { a: 'bad' } }));
  node.nack(await node.next(cluster), 'a: no');
  await node.expectSilence();
  assert.equal(server.converged.length, 1);
});

test('the private key that a node quotes in a refusal goes no further', async (t) => {
  const { server, connect } = await start(t);
  const node = connect();
  server.xds.publish(snapshotOf({ [secret]: { s: '1' } }));
  node.ask(secret, { subscribe: ['s'] });
  node.nack(
    await node.next(secret),
    'Proto constraint validation failed (Secret.X: ["bad"]): name: "s" tls_certificate { private_key { inline_string: "KEY" } }',
  );
  await node.expectSilence();
  assert.equal(server.nacks[0]?.owner, 'services.s');
  assert.doesNotMatch(server.nacks[0]!.message, /KEY/);
  assert.match(server.nacks[0]!.message, /^Proto constraint validation failed/);
});

test('closing the server ends the streams and what waits for them', async (t) => {
  const { server, connect } = await start(t);
  server.xds.publish(snapshotOf({ [cluster]: { a: '1' } }));
  const node = connect();
  node.ask(cluster);
  await node.next(cluster);
  const waiting = server.xds.whenAcked('node-1', cluster, 'a', 60_000);
  server.xds.close();
  assert.equal((await node.status).code, status.UNAVAILABLE);
  assert.equal(await waiting, false);
});
