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

/** Checks of one node, which nobody decides on. */
class Crowd {
  readonly authz = new AuthzService({
    now: () => 1_000,
    plan: () => plan,
    ask: () => undefined,
    withdraw: () => undefined,
    checkTimeoutMs: 90_000,
    counted: () => undefined,
    cancel: async () => undefined,
    forged: () => undefined,
  });
  readonly #caller = { node: 'edge-1', peer: '' };
  #count = 0;

  /** @returns its connection, how it ended, if it did, and how its node gives it up */
  ask(of: Partial<Check>) {
    const connection = `${this.#count++}`.padStart(32, '0');
    let ended: Status | undefined;
    const call: Call = {
      caller: this.#caller,
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
  fill(of: Partial<Check>): number {
    for (let held = 0; ; held++) {
      const status = this.ask(of).status();
      if (status !== undefined) {
        assert.equal(status, Status.resourceExhausted);
        return held;
      }
    }
  }
}

test('checks are held by the hundred thousand, also with certificates of the usual size', () => {
  assert.equal(new Crowd().fill({ certificate: 'x'.repeat(2_500) }), 100_000);
});

test('checks that are large are held while all of them have some 256 MiB, whatever it is that is large', () => {
  const large = 'x'.repeat(250_000);
  for (const of of [{ certificate: large }, { user: large }, { database: large }]) {
    const crowd = new Crowd();
    const held = crowd.fill(of);
    assert.ok(held > 1_060 && held < 1_080, `${held}`);
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
