import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { waitUntil } from '../../../test/harness/wait-until.js';
import type { Answer, News } from '../../pure/peers/messages.js';
import { type Call, Status } from '../../pure/rpc/rpc.js';
import { refusals } from '../../pure/verdict/refusals.js';
import { Follower, FollowService } from './follow-service.js';
import { decodeOrders } from './wire.js';

/** What a follower takes (leader-link.ts). */
const mostBytes = 4 << 20;

test('twenty thousand clients of one follower may be refused in one turn: no message is larger than he takes', () => {
  const messages: Uint8Array[] = [];
  const call = {
    caller: { node: '', brain: 'b', peer: '' },
    header: () => undefined,
    send: (message: Uint8Array) => void messages.push(message),
    reply: () => undefined,
    end: () => assert.fail('nothing is wrong'),
  };
  const follower = new Follower('b', call, () => 0);
  const full = { limit: 'database', name: 'orders', used: 400, max: 400 } as const;
  const refusal = refusals.wait_timeout(full, { waitedMs: 2_000, timeoutMs: 2_000, others: 19_999 });
  for (let n = 0; n < 20_000; n++) {
    const connection = n.toString(16).padStart(32, '0');
    follower.answer({ kind: 'refuse', connection, service: 'checkout', sentMs: n, refusal, waitedMs: 1 });
  }
  follower.flush();
  assert.ok(Math.max(...messages.map(({ length }) => length)) < mostBytes);
  const told = messages.flatMap((message) => decodeOrders(message) as Answer[]);
  assert.deepEqual(
    told.map(({ sentMs }) => sentMs),
    Array.from({ length: 20_000 }, (_, n) => n),
  );
});

test('a sign of life is a message, also without anything to say', () => {
  let messages = 0;
  const call = {
    caller: { node: '', brain: 'b', peer: '' },
    header: () => undefined,
    send: () => void messages++,
    reply: () => undefined,
    end: () => undefined,
  };
  new Follower('b', call, () => 0).flush();
  assert.equal(messages, 1);
});

const withdrawn: News = { kind: 'cancel', connection: 'c'.repeat(32) };

/** A leader, and what it hears of brains that follow. */
function leader(t: TestContext) {
  const heard: string[] = [];
  const of = { term: 7 as number | undefined };
  const service = new FollowService({
    now: () => performance.now(),
    term: () => of.term,
    joined: ({ brain }) => heard.push(`${brain} joins`),
    told: ({ brain }, { kind }) => heard.push(`${brain} says ${kind}`),
    left: ({ brain }) => heard.push(`${brain} leaves`),
  });
  t.after(() => service.stop());
  const called = (brain: string) => {
    let ended: Status | undefined;
    const call: Call = {
      caller: { node: '', brain, peer: '' },
      header: () => undefined,
      send: () => undefined,
      reply: () => assert.fail('it goes on'),
      end: (status) => {
        ended = status;
      },
    };
    const { message, cancelled } = service.method.accept(call);
    const tell = (news: readonly News[], term?: number) =>
      message({ ...(term !== undefined && { term }), monotonicMs: 1, unixMs: 1, news });
    tell([], 7);
    return { tell, cancelled, ended: () => ended };
  };
  return { of, heard, called };
}

test('a brain that calls again is heard by its new call alone: what an old one still has on its way is of the past', (t) => {
  const { heard, called } = leader(t);
  const first = called('b');
  const second = called('b');
  first.tell([withdrawn]);
  first.cancelled();
  second.tell([withdrawn]);
  assert.deepEqual(heard, ['b joins', 'b leaves', 'b joins', 'b says cancel']);
  assert.deepEqual([first.ended(), second.ended()], [Status.aborted, undefined]);
});

test('who follows is sent away when the term is over, and whoever comes then', async (t) => {
  const { of, heard, called } = leader(t);
  const first = called('b');
  of.term = undefined;
  await waitUntil('it is sent away', () => first.ended() === Status.aborted);
  assert.deepEqual(heard, ['b joins', 'b leaves']);
  assert.equal(called('c').ended(), Status.aborted);
});
