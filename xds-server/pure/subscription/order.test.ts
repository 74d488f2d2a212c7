import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Resource, type ResourceSet, TypeUrl } from '../snapshot/snapshot.js';
import { changedNames } from './changes.js';
import { nextTurn } from './order.js';
import { Subscription } from './subscription.js';

const { cluster, endpoints, listener, secret } = TypeUrl;
const REQUEST = { subscribe: [], unsubscribe: [], initialVersions: {}, nonce: '' };

function setOf(revisions: Readonly<Record<string, string>>): ResourceSet {
  const resources = Object.entries(revisions).map(([name, revision]): [string, Resource] => [
    name,
    { name, version: `${name}@${revision}`, bytes: new Uint8Array(1), owner: name },
  ]);
  return { version: JSON.stringify(revisions), resources: new Map(resources) };
}

/** A stream that wants all clusters and listeners, endpoints and secrets by name, and has acknowledged nothing. */
class Stream {
  readonly #subscriptions: ReadonlyMap<TypeUrl, Subscription> = new Map(
    [listener, endpoints, cluster, secret].map((typeUrl) => [
      typeUrl,
      new Subscription(typeUrl, 'delta', { maxFallbacks: 0, maxUpdateBytes: 1000 }),
    ]),
  );
  readonly #sets = new Map<TypeUrl, ResourceSet>();

  constructor() {
    for (const [typeUrl, subscription] of this.#subscriptions) {
      const subscribe = typeUrl === endpoints || typeUrl === secret ? ['a', 'b'] : [];
      subscription.requestDelta({ ...REQUEST, subscribe });
    }
  }

  publish(typeUrl: TypeUrl, revisions: Readonly<Record<string, string>>): void {
    const set = setOf(revisions);
    this.#subscriptions.get(typeUrl)!.publish(set, changedNames(this.#sets.get(typeUrl), set));
    this.#sets.set(typeUrl, set);
  }

  /** Sends what may be sent: `[type, nonce, what]` each. */
  pump(): [TypeUrl, string, string][] {
    const sent: [TypeUrl, string, string][] = [];
    for (let turn = nextTurn(this.#subscriptions); turn; turn = nextTurn(this.#subscriptions)) {
      const { nonce, resources, removed } = turn.subscription.next(turn.phase);
      const what = [...resources.map(({ version }) => version), ...removed.map((name) => `-${name}`)].join();
      sent.push([turn.subscription.typeUrl, nonce, what]);
    }
    return sent;
  }

  ack(typeUrl: TypeUrl, nonce: string): void {
    this.#subscriptions.get(typeUrl)!.requestDelta({ ...REQUEST, nonce });
  }
}

/** A stream that has acknowledged one cluster, its endpoints and a listener. */
function settled(): Stream {
  const stream = new Stream();
  stream.publish(secret, {});
  for (const typeUrl of [cluster, endpoints, listener]) stream.publish(typeUrl, { a: '1' });
  for (const [typeUrl, nonce] of stream.pump()) stream.ack(typeUrl, nonce);
  return stream;
}

test('a listener waits for a cluster that has to wait; endpoints and secrets do not', () => {
  const stream = settled();
  // A node withholds its ACKs while a cluster warms: the window fills up.
  for (const revision of ['2', '3', '4', '5']) {
    stream.publish(cluster, { a: revision });
    assert.equal(stream.pump().length, 1);
  }
  stream.publish(cluster, { a: '6' });
  stream.publish(listener, { a: '6' });
  stream.publish(endpoints, { a: '6' });
  stream.publish(secret, { a: '6' });
  assert.deepEqual(
    stream.pump().map(([typeUrl, , what]) => [typeUrl, what]),
    [
      [secret, 'a@6'],
      [endpoints, 'a@6'],
    ],
  );
  stream.ack(cluster, '2');
  assert.deepEqual(
    stream.pump().map(([typeUrl, , what]) => [typeUrl, what]),
    [
      [cluster, 'a@6'],
      [listener, 'a@6'],
    ],
  );
});

test('nothing is taken away before all that is new was answered, and one type after the other', () => {
  const stream = settled();
  for (const typeUrl of [cluster, endpoints, listener]) stream.publish(typeUrl, { b: '1' });
  const made = stream.pump();
  assert.deepEqual(
    made.map(([typeUrl, , what]) => [typeUrl, what]),
    [
      [cluster, 'b@1'],
      [endpoints, 'b@1'],
      [listener, 'b@1'],
    ],
  );
  for (const [typeUrl, nonce] of made) {
    assert.deepEqual(stream.pump(), [], 'something is still unanswered');
    stream.ack(typeUrl, nonce);
  }
  for (const typeUrl of [listener, cluster, endpoints]) {
    const [turn, ...more] = stream.pump();
    assert.deepEqual([turn?.[0], turn?.[2], more], [typeUrl, '-a', []]);
    stream.ack(typeUrl, turn![1]);
  }
  assert.deepEqual(stream.pump(), []);
});
