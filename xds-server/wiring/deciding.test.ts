import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { waitUntil } from '../../test/harness/wait-until.js';
import { sketch } from '../../test/simulation/sketch.js';
import { defaultSettings } from '../pure/ledger/settings.js';
import type { Answer } from '../pure/peers/messages.js';
import type { Plan } from '../pure/plan/plan.js';
import type { Enactment } from '../shells/control/enactment.js';
import type { EtcdClient } from '../shells/etcd/etcd-client.js';
import type { LoadedSpec } from '../shells/store/load-spec.js';
import type { Metrics } from '../shells/telemetry/metrics.js';
import { Deciding, type DecidingOptions } from './deciding.js';

const now = (): number => performance.now();

/** Of one brain's election, as far as it asks: a key that goes with its lease. */
class OneKey {
  #revision = 1;
  #leases = 0;
  #key: { value: Uint8Array; revision: number; lease: string } | undefined;

  /** The lease is gone, and the key with it. */
  lose(): void {
    this.#key = undefined;
    this.#revision++;
  }

  async read() {
    const { value, revision = 0, lease = '0' } = this.#key ?? {};
    const entry = value && {
      value: Buffer.from(value),
      createRevision: revision,
      modRevision: revision,
      lease,
    };
    return { revision: this.#revision, entry };
  }

  async txn({ success }: { success: { request_put?: { value: Uint8Array; lease: string } }[] }) {
    const { value, lease } = success[0]!.request_put!;
    this.#revision++;
    this.#key ??= { value, lease, revision: this.#revision };
    const { revision } = this.#key;
    const kv = { value, lease, create_revision: `${revision}`, mod_revision: `${revision}` };
    return { header: { revision: `${this.#revision}` }, responses: [{ response_range: { kvs: [kv] } }] };
  }

  async leaseGrant() {
    return { id: `${++this.#leases}`, ttlMs: 2_000 };
  }

  async leaseKeepAlive() {
    return this.#key ? 2_000 : undefined;
  }

  async leaseRevoke() {}

  watch() {
    return { close: () => undefined };
  }

  close() {}
}

/** Of a plan that is in force from the first term on. */
function decidingOn(
  plan: Plan,
  answers: Answer[],
  { readiness, candidate }: Pick<DecidingOptions, 'candidate' | 'readiness'>,
): Deciding {
  const enactment = {
    nodeLimits: { spec: '', limits: new Map() },
    lead: () => deciding.leading!.limit(plan),
    follow: () => undefined,
  };
  const deciding: Deciding = new Deciding({
    ...{ now, plan: () => plan, loaded: () => undefined, settings: defaultSettings, candidate, readiness },
    log: pino({ level: 'silent' }),
    metrics: {} as Metrics,
    enactment: () => enactment as unknown as Enactment,
    credentials: () => undefined,
    forged: () => undefined,
    connected: () => undefined,
    answered: (answer) => void answers.push(answer),
  });
  return deciding;
}

test('what an earlier term of this very brain still has to say is no answer', async (t) => {
  const etcd = new OneKey();
  const plan = sketch({ services: { checkout: { timeoutMs: 60_000 } } });
  let isAcked = false;
  /** When who waits for the node to have the service is told that it has not. */
  let toldMs = Number.POSITIVE_INFINITY;
  const answers: Answer[] = [];
  const deciding = decidingOn(plan, answers, {
    candidate: { etcd: etcd as unknown as EtcdClient, prefix: '/test', brain: 'a', address: 'a.test:1' },
    readiness: {
      now,
      own: {
        isConnected: () => true,
        isAcked: () => isAcked,
        whenAcked: (_node, _type, _name, withinMs) => {
          toldMs = now() + withinMs;
          return new Promise(() => undefined);
        },
      },
      service: (name) => plan.services.get(name),
      needed: ({ cluster }) => [['cluster' as never, cluster]],
    },
  });
  t.after(() => deciding.end());
  deciding.begin();
  // A spec, of which nobody asks more than that there is one.
  deciding.planned(plan, {} as LoadedSpec);
  const first = await waitUntil('a term', () => deciding.leading);
  const [connection, at] = ['a'.repeat(32), { bornMs: now(), sentMs: 1 }];
  const of = { node: 'edge-1', service: 'checkout', source: undefined, frontId: undefined };
  deciding.desk.ask({ connection, ...of, ...at });
  await waitUntil('the first term waits for the node', () => Number.isFinite(toldMs));

  isAcked = true;
  etcd.lose();
  await waitUntil('another term', () => deciding.leading !== undefined && deciding.leading !== first);
  await waitUntil('it has the client in its queue', () => deciding.view().waiterCount === 1);
  await waitUntil('the first one has given the node up', () => now() > toldMs + 100);
  assert.deepEqual(answers, []);
  assert.deepEqual([deciding.desk.size.questions, deciding.view().waiterCount], [1, 1]);
});

test('a client whose service comes with the next spec is in its queue as soon as that is in force', async (t) => {
  const plan = sketch({ services: { checkout: { timeoutMs: 60_000 } } });
  let isHere = false;
  const answers: Answer[] = [];
  const deciding = decidingOn(plan, answers, {
    candidate: undefined,
    readiness: {
      now,
      own: { isConnected: () => true, isAcked: () => true, whenAcked: async () => true },
      service: (name) => (isHere ? plan.services.get(name) : undefined),
      needed: ({ cluster }) => [['cluster' as never, cluster]],
    },
  });
  t.after(() => deciding.end());
  deciding.begin();
  const of = { node: 'edge-1', service: 'checkout', source: undefined, frontId: undefined };
  deciding.desk.ask({ connection: 'a'.repeat(32), ...of, bornMs: now(), sentMs: 1 });
  assert.equal(deciding.view().waiterCount, 0);

  isHere = true;
  const nobody = { ...plan, targets: new Map(), observers: new Map() };
  deciding.planned(nobody, { passwords: new Map(), files: new Map() } as unknown as LoadedSpec);
  await waitUntil('he is in the queue', () => deciding.view().waiterCount === 1);
  assert.deepEqual(answers, []);
});
