import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { News } from './messages.js';
import { Requests } from './requests.js';

let passed: News[];
let requests: Requests;
/** Whose patience is at its end. */
let giveUp: (() => void)[];
/** Kinds of questions that nobody is waiting for any more. */
let calledOff: string[];

beforeEach(() => {
  [passed, giveUp, calledOff] = [[], [], []];
  requests = new Requests({
    pass: (news) => passed.push(news),
    patience: (kind, over) => {
      giveUp.push(over);
      return () => calledOff.push(kind);
    },
  });
});

const find = () => requests.find({ node: 'n1', connection: 'c1', frontId: 7 });
const interrupt = () => requests.interrupt({ pid: 1, secret: Buffer.alloc(4), address: '10.0.0.9' });
const asked = () =>
  passed.map((news) => (news.kind === 'find' || news.kind === 'interrupt' ? [news.kind, news.request] : []));

test('who asks for idle sessions is told of them, and of none at once where there is nobody to answer', async () => {
  const sessions = [{ connection: 'c2', idleMs: 9 }];
  assert.deepEqual(await requests.surplus('n1', sessions), []);
  requests.open();
  const asks = ['n1', 'n2', 'n3'].map((node) => requests.surplus(node, sessions));
  assert.deepEqual(passed, [
    { kind: 'idle', request: 1, node: 'n1', sessions },
    { kind: 'idle', request: 2, node: 'n2', sessions },
    { kind: 'idle', request: 3, node: 'n3', sessions },
  ]);
  requests.answered({ kind: 'surplus', request: 2, connections: ['c2'] });
  giveUp[0]!();
  const killed = find();
  requests.close();
  assert.deepEqual(await Promise.all(asks), [[], ['c2'], []]);
  passed.length = 0;
  requests.open();
  assert.deepEqual(asked(), [['find', 4]]);
  requests.answered({ kind: 'found', request: 4, serverId: 4 });
  assert.equal(await killed, 4);
});

test('each question has its own answer, in whatever order they come', async () => {
  requests.open();
  const [one, other, cancelled] = [find(), find(), interrupt()];
  assert.deepEqual(asked(), [
    ['find', 1],
    ['find', 2],
    ['interrupt', 3],
  ]);
  requests.answered({ kind: 'interrupted', request: 3 });
  requests.answered({ kind: 'found', request: 2, serverId: 22 });
  requests.answered({ kind: 'found', request: 1, serverId: undefined });
  assert.deepEqual(await Promise.all([one, other, cancelled]), [undefined, 22, undefined]);
  assert.deepEqual(calledOff, ['interrupt', 'find', 'find']);
});

test('what nobody could be asked, and what the last leader has not answered, the next one is asked', async () => {
  const early = find();
  assert.deepEqual(passed, []);
  requests.open();
  const late = find();
  requests.answered({ kind: 'found', request: 2, serverId: 22 });
  assert.equal(await late, 22);
  requests.close();
  passed.length = 0;
  const meanwhile = find();
  requests.open();
  assert.deepEqual(asked(), [
    ['find', 1],
    ['find', 3],
  ]);
  for (const request of [1, 3]) requests.answered({ kind: 'found', request, serverId: request });
  assert.deepEqual(await Promise.all([early, meanwhile]), [1, 3]);
});

test('a cancel that a leader was asked for is asked for of no other: it would stop the statement after', async () => {
  const early = interrupt();
  requests.open();
  const late = interrupt();
  assert.deepEqual(asked(), [
    ['interrupt', 1],
    ['interrupt', 2],
  ]);
  requests.close();
  const meanwhile = interrupt();
  requests.open();
  requests.open();
  assert.deepEqual(asked().slice(2), [['interrupt', 3]]);
  requests.answered({ kind: 'interrupted', request: 1 });
  for (const each of giveUp) each();
  await Promise.all([early, late, meanwhile]);
});

test('a question is given up when it is worth no more waiting, and an answer that comes then is nobody’s', async () => {
  requests.open();
  const [one, cancelled] = [find(), interrupt()];
  for (const each of giveUp) each();
  assert.deepEqual(await Promise.all([one, cancelled]), [undefined, undefined]);
  requests.answered({ kind: 'found', request: 1, serverId: 11 });
  requests.answered({ kind: 'found', request: 99, serverId: 11 });
  passed.length = 0;
  requests.close();
  requests.open();
  assert.deepEqual(passed, []);
});

test('who is beyond the bound is answered with nothing, and room that becomes free is given again', async () => {
  requests.open();
  const first = find();
  for (let more = 1; more < 1_000; more++) void find();
  assert.equal(await find(), undefined);
  assert.equal(passed.length, 1_000);
  requests.answered({ kind: 'found', request: 1, serverId: 11 });
  assert.equal(await first, 11);
  void find();
  assert.equal(passed.length, 1_001);
});
