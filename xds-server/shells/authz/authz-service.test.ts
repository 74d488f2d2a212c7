import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sketch } from '../../../test/simulation/sketch.js';
import type { ListenerPlan, Plan } from '../../pure/plan/plan.js';
import { type Call, Status } from '../../pure/rpc/rpc.js';
import { AuthzService } from './authz-service.js';
import type { Check } from './check-request.js';

const drawn = sketch({ services: { checkout: { timeoutMs: 60_000 } } });
const pg: ListenerPlan = {
  name: 'pg',
  protocol: 'postgres',
  address: { host: '127.0.0.1', port: 5432 },
  certificate: { chain: 'chain.pem', key: 'key.pem' },
  allowPlaintext: false,
};
const plan: Plan = { ...drawn, listeners: new Map([['pg', pg]]) };

/** Checks which nobody decides on. */
class Crowd {
  readonly authz = new AuthzService({
    now: () => 1_000,
    plan: () => plan,
    ask: () => undefined,
    withdraw: () => undefined,
    checkTimeoutMs: 90_000,
    mostBehindMs: 500,
    counted: () => undefined,
    cancel: async () => undefined,
    forged: () => undefined,
  });
  #count = 0;

  /** @returns its connection, how it ended, if it did, and how its node gives it up */
  ask(of: Partial<Check>, node = 'edge-1') {
    const connection = `${this.#count++}`.padStart(32, '0');
    let ended: Status | undefined;
    const call: Call = {
      caller: { node, peer: '' },
      header: () => undefined,
      send: () => undefined,
      reply: () => assert.fail('nobody decides'),
      end: (status) => {
        ended = status;
      },
    };
    const receiver = this.authz.method.accept(call);
    receiver.message({
      ...{ connection, listener: 'pg', user: 'ann', database: 'orders', tls: true, address: '10.1.2.3' },
      ...{ serverName: 'checkout.db.example.com', bornUnixMs: 1, ageMs: 0, monotonicMs: 1_000 },
      ...of,
    });
    return { connection, status: () => ended, giveUp: () => receiver.cancelled() };
  }

  /** @returns how many were held before one was refused */
  fill(of: Partial<Check>, node?: string): number {
    for (let held = 0; ; held++) {
      const status = this.ask(of, node).status();
      if (status !== undefined) {
        assert.equal(status, Status.resourceExhausted);
        return held;
      }
    }
  }
}

test('checks are held by the hundred thousand, also with certificates of the usual size, and of one node as many as it takes connections', () => {
  const crowd = new Crowd();
  const usual = { certificate: 'x'.repeat(2_500) };
  const held = ['edge-1', 'edge-2', 'edge-3'].map((node) => crowd.fill(usual, node));
  assert.deepEqual(held, [50_000, 50_000, 0]);
});

test('checks that are large are held while all of them have some 256 MiB, whatever it is that is large', () => {
  const large = 'x'.repeat(250_000);
  for (const of of [{ certificate: large }, { user: large }, { database: large }]) {
    const crowd = new Crowd();
    for (const node of ['edge-1', 'edge-2']) {
      const held = crowd.fill(of, node);
      assert.ok(held > 530 && held < 540, `${held}`);
    }
    assert.ok(crowd.fill(of, 'edge-3') <= 2);
    assert.equal(crowd.ask({}).status(), undefined, 'there is room for one of the usual size');
  }
});

test('among checks that are large there is room for one again when one is given up or its call is asked anew', () => {
  const crowd = new Crowd();
  const large = { certificate: 'x'.repeat(250_000) };
  const first = crowd.ask(large);
  crowd.fill(large);
  const { connection } = first;
  const again = crowd.ask({ ...large, connection, monotonicMs: 2_000 });
  assert.deepEqual([first.status(), again.status()], [Status.aborted, undefined]);
  again.giveUp();
  assert.equal(crowd.fill(large), 1);
});
