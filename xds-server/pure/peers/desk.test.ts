import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Desk } from './desk.js';
import type { Answer, News, Question, SessionNews } from './messages.js';

let passed: News[];
let desk: Desk;
let nowMs: number;

beforeEach(() => {
  passed = [];
  nowMs = 0;
  desk = new Desk({ pass: (news) => passed.push(news), now: () => nowMs, sessionsKeptMs: 5_000 });
});

const question = (connection: string, service = 'checkout'): Question => ({
  ...{ connection, service, node: 'n1', source: undefined, bornMs: 0, sentMs: 0, frontId: undefined },
});

const session = (connection: string, kind: 'report' | 'end', serverId = 1): SessionNews => {
  const of = { connection, node: 'n1', service: 'checkout', upstream: { serverId } };
  return {
    event: kind === 'report' ? { kind, ...of } : { kind, ...of, evidence: 'server-closed' },
    ...{ known: undefined, work: undefined, ended: undefined },
  };
};

const grant = (connection: string, expiresMs: number, sentMs = 0): Answer => ({
  ...{ kind: 'grant', connection, service: 'checkout', sentMs, cluster: 'a', expiresMs, waitedMs: 0 },
});

const shown = (news: Iterable<News>): string[] =>
  [...news].map((each) => {
    if (each.kind === 'check') return `check ${each.question.connection}`;
    if (each.kind === 'session') return `${each.session.event.kind} ${each.session.event.connection}`;
    return each.kind === 'node' ? `node ${each.node}` : each.kind;
  });

test('while nobody leads nothing is passed, and a leader is told nodes, ends, sessions and who waits', () => {
  desk.ask(question('a'));
  desk.tell(session('b', 'report'));
  desk.tell(session('c', 'report'));
  desk.tell(session('c', 'end'));
  desk.nodeIsHere('n1', 'v1');
  assert.deepEqual(passed, []);
  desk.open();
  assert.deepEqual(shown(desk.retold()), ['node n1', 'end c', 'report b', 'check a']);
});

test('that a node’s reports are cut off is for the leader that there is, not for the next one', () => {
  desk.cutOff('n1');
  desk.open();
  assert.deepEqual(shown(desk.retold()), []);
  desk.cutOff('n2');
  assert.deepEqual(passed, [{ kind: 'cut-off', node: 'n2' }]);
});

test('that a session has logged in is for the leader that there is: the next one hears it by its report', () => {
  const login = { connection: 'a', node: 'n1', serverId: 7, frontId: undefined, cancelDigest: 'd' };
  desk.loggedIn(login);
  desk.open();
  assert.deepEqual(shown(desk.retold()), []);
  desk.loggedIn(login);
  assert.deepEqual(passed, [{ kind: 'login', login }]);
});

test('sessions that are reported as fast as they are told do not keep a new leader from who waits', () => {
  for (const connection of ['a', 'b', 'c']) desk.tell(session(connection, 'report'));
  desk.ask(question('d'));
  desk.open();
  const told: string[] = [];
  for (const news of desk.retold()) {
    nowMs += 1;
    if (news.kind === 'session') desk.tell(news.session);
    told.push(...shown([news]));
    assert.ok(told.length < 10, 'who waits is never told of');
  }
  assert.deepEqual(told, ['report a', 'report b', 'report c', 'check d']);
});

test('the next leader is told anew what is still so, and each session by its last report', () => {
  desk.open();
  for (const connection of ['a', 'b']) desk.ask(question(connection));
  for (const connection of ['c', 'd']) desk.tell(session(connection, 'report'));
  desk.tell(session('d', 'report', 7));
  desk.tell(session('c', 'end'));
  desk.withdraw('a');
  desk.close();
  desk.open();
  const retold = [...desk.retold()];
  assert.deepEqual(shown(retold), ['report d', 'check b']);
  assert.ok(retold[0]?.kind === 'session' && retold[0].session.event.upstream.serverId === 7);
});

test('a session that its node reports elsewhere, or not at all, is told to nobody', () => {
  desk.tell(session('a', 'report'));
  desk.tell(session('b', 'report'));
  nowMs = 4_000;
  desk.tell(session('a', 'report'));
  assert.deepEqual(shown(desk.retold()), ['report b', 'report a']);
  nowMs = 5_001;
  assert.deepEqual(shown(desk.retold()), ['report a']);
  desk.tell(session('c', 'report'));
  assert.equal(desk.size.sessions, 2);
});

test('what ends while it is told anew is not told as open', () => {
  desk.tell(session('a', 'report'));
  desk.tell(session('b', 'report'));
  desk.open();
  const retold = desk.retold();
  assert.deepEqual(shown([retold.next().value as News]), ['report a']);
  desk.tell(session('b', 'end'));
  assert.deepEqual(shown(retold), []);
  assert.deepEqual(shown(passed), ['end b']);
});

test('what a node says of another one’s session is passed to the leader, and no next one is told of it', () => {
  const forged = (kind: 'report' | 'end') => {
    const { event, ...rest } = session('a', kind);
    return { ...rest, event: { ...event, node: 'n2' } };
  };
  desk.open();
  desk.tell(session('a', 'report'));
  for (const kind of ['report', 'end'] as const) desk.tell(forged(kind));
  assert.deepEqual(shown(passed), ['report a', 'report a', 'end a']);
  desk.close();
  for (const kind of ['report', 'end'] as const) desk.tell(forged(kind));
  const retold = [...desk.retold()];
  assert.deepEqual(shown(retold), ['report a']);
  assert.ok(retold[0]?.kind === 'session' && retold[0].session.event.node === 'n1');
});

test('an answer counts once, only for who waits, and only while a leader is there', () => {
  desk.open();
  desk.ask(question('a'));
  assert.equal(desk.answered(grant('stranger', 100), 0), undefined);
  assert.equal(desk.answered({ ...grant('a', 100), service: 'other' }, 0), undefined);
  desk.close();
  assert.equal(desk.answered(grant('a', 100), 0), undefined);
  desk.open();
  assert.ok(desk.answered(grant('a', 100), 0));
  assert.equal(desk.answered(grant('a', 100), 0), undefined);
});

test('an answer to an earlier try is not given to the later one, which is answered by itself', () => {
  desk.open();
  desk.ask(question('a'));
  desk.ask({ ...question('a'), sentMs: 10 });
  assert.equal(desk.answered(grant('a', 100), 0), undefined);
  assert.ok(desk.answered(grant('a', 100, 10), 0));
});

test('a grant that is over when it arrives opens nothing, and is asked for again', () => {
  desk.open();
  desk.ask(question('a'));
  assert.equal(desk.answered(grant('a', 100), 100), undefined);
  assert.deepEqual(shown(passed), ['check a', 'check a']);
  assert.ok(desk.answered(grant('a', 201), 200));
});

test('a node is told of when it comes, when its limits change, and when it goes', () => {
  desk.open();
  desk.nodeIsHere('n1', undefined);
  desk.nodeIsHere('n1', 'v1');
  desk.nodeIsHere('n1', 'v1');
  desk.nodeHasLeft('n1');
  desk.nodeHasLeft('n1');
  assert.deepEqual(
    passed.map((news) => news.kind === 'node' && [news.isHere, news.runtime]),
    [
      [true, undefined],
      [true, 'v1'],
      [false, undefined],
    ],
  );
});
