import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { LedgerEvent } from '../../pure/ledger/events.js';
import type { Link, ServerFacts } from './link.js';
import { TargetObserver } from './target-observer.js';

const facts: ServerFacts = {
  version: '10.11',
  listsLogins: true,
  loginTimeoutMs: 10_000,
  namesLogins: false,
  capacity: 100,
};

/** A server whose list is this one; its first session is the observer's own. */
const link = (ids: readonly number[]): Link => ({
  facts,
  ownId: ids[0]!,
  list: async () => ({ sessions: ids.map((serverId) => ({ serverId })) }),
  close: () => {},
});

test('an id that is the observer’s on one server stays a client’s on another', async () => {
  const links = new Map([
    ['10.0.0.6', link([4, 7])],
    ['10.0.0.7', link([7, 9])],
  ]);
  const event = await new Promise<LedgerEvent>((resolve) => {
    const observer = new TargetObserver({
      target: {
        name: 'reports/replica',
        database: 'reports',
        role: 'replica',
        engine: 'mariadb',
        endpoints: [...links.keys()].map((host) => ({ host, port: 3306 })),
        budget: 10,
        reserve: 2,
      },
      login: { user: 'observer', password: () => '' },
      connect: async ({ host }) => links.get(host)!,
      now: () => performance.now(),
      tell: (told) => {
        observer.stop();
        resolve(told);
      },
      connected: () => {},
    });
  });
  assert.ok(event.kind === 'observed');
  assert.deepEqual(
    event.sessions.map(({ serverId }) => serverId),
    [7, 9],
  );
  assert.deepEqual(event.own, [4, 7]);
});

test('of several servers the problem names the one that has it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const endpoints = ['10.0.0.6', '10.0.0.7'].map((host) => ({ host, port: 5432 }));
  const problemAt = (servers: typeof endpoints) =>
    new Promise<LedgerEvent>((resolve) => {
      const observer = new TargetObserver({
        target: {
          ...{ name: 'orders/replica', database: 'orders', role: 'replica', engine: 'postgres' },
          ...{ endpoints: servers, budget: 10, reserve: 2 },
        },
        login: { user: 'observer', password: () => '' },
        connect: async ({ host }) => {
          if (host === '10.0.0.7') throw new Error('password authentication failed');
          return link([1]);
        },
        now: () => performance.now(),
        tell: (told) => {
          observer.stop();
          resolve(told);
        },
        connected: () => {},
      });
      t.mock.timers.tick(1);
    });
  const problemOf = (event: LedgerEvent) => event.kind === 'unobserved' && event.problem;
  assert.equal(problemOf(await problemAt(endpoints)), '10.0.0.7:5432: password authentication failed');
  assert.equal(problemOf(await problemAt(endpoints.slice(1))), 'password authentication failed');
});

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** A server that names who logs in; a test says when a dial is answered, and what time it is. */
class Queue {
  readonly events: LedgerEvent[] = [];
  /** When each connection was dialled, and how long it may take. */
  readonly dials: { readonly atMs: number; readonly mostMs: number; settle(isLetIn: boolean): void }[] = [];
  /** Connections by number: the first one is 1. */
  readonly closed = new Set<number>();
  readonly observer: TargetObserver;
  /** No list is answered before this is. */
  #lists = Promise.resolve();
  /** Lists that are held are answered. */
  goOn = () => {};
  #nowMs = 0;
  readonly #tick: (ms: number) => void;

  constructor(t: TestContext, of: Partial<ServerFacts> = {}) {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    this.#tick = (ms) => t.mock.timers.tick(ms);
    this.observer = new TargetObserver({
      target: {
        ...{ name: 'orders/primary', database: 'orders', role: 'primary', engine: 'postgres' },
        endpoints: [{ host: '10.0.0.5', port: 5432 }],
        ...{ budget: 10, reserve: 3 },
      },
      login: { user: 'observer', password: () => '' },
      connect: (_endpoint, _login, _approach, mostMs) =>
        new Promise((resolve, reject) => {
          const ownId = this.dials.length + 1;
          const settle = (isLetIn: boolean) =>
            isLetIn ? resolve(this.#link(ownId, of)) : reject(new Error('too many connections'));
          this.dials.push({ atMs: this.#nowMs, mostMs, settle });
        }),
      now: () => this.#nowMs,
      tell: (event) => this.events.push(event),
      connected: () => {},
    });
    t.after(() => this.observer.stop());
  }

  #link(ownId: number, of: Partial<ServerFacts>): Link {
    return {
      facts: { ...facts, listsLogins: false, namesLogins: true, ...of },
      ownId,
      list: async (withLogins) => {
        await this.#lists;
        return { sessions: [{ serverId: ownId }], ...(withLogins && { loggingIn: [77] }) };
      },
      close: () => void this.closed.add(ownId),
    };
  }

  holdLists(): void {
    this.#lists = new Promise((resolve) => {
      this.goOn = resolve;
    });
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 5) {
      this.#nowMs += 5;
      this.#tick(5);
      await nextTurn();
    }
  }

  /** The last connection that was dialled is let in, or not. */
  async answer(isLetIn: boolean): Promise<number> {
    this.dials.at(-1)!.settle(isLetIn);
    await nextTurn();
    return this.#nowMs;
  }

  /** Its first connection is there and a list has been had by it. */
  async begun(): Promise<void> {
    await this.pass(10);
    await this.answer(true);
    await this.pass(10);
  }

  get last(): Extract<LedgerEvent, { kind: 'observed' }> {
    const event = this.events.at(-1);
    assert.ok(event?.kind === 'observed', JSON.stringify(event));
    return event;
  }
}

test('to know that the queue before a server has passed, it is dialled anew beside the connection that there is', async (t) => {
  const queue = new Queue(t);
  await queue.begun();
  await queue.pass(480);
  queue.observer.soon(300);
  await queue.pass(1_000);
  assert.deepEqual(
    queue.dials.map(({ atMs, mostMs }) => [atMs, mostMs]),
    [
      [5, 3_000],
      // For as long as a login may take.
      [500, facts.loginTimeoutMs],
    ],
  );
  assert.deepEqual([queue.last.own, queue.last.logins?.dialledMs], [[1], undefined]);
  assert.equal(queue.closed.size, 0);
  await queue.answer(true);
  await queue.pass(100);
  assert.deepEqual([...queue.closed], [1]);
  queue.observer.soon(300);
  await queue.pass(20);
  assert.equal(queue.dials.length, 2, 'it is young enough');
  assert.deepEqual(queue.last.own, [2]);
  assert.deepEqual(queue.last.logins, { serverIds: [77], dialledMs: 500, letInMs: 1_500 });
});

test('nothing is dialled anew where the connection is young enough, nor before the time that it shall be younger than', async (t) => {
  const queue = new Queue(t);
  await queue.begun();
  for (const dialledAfterMs of [0, 4, 10_000]) queue.observer.soon(dialledAfterMs);
  await queue.pass(100);
  assert.equal(queue.dials.length, 1);
});

test('who logs in is asked for until there is an answer, over any connection where none is said', async (t) => {
  const queue = new Queue(t);
  queue.observer.soon(Number.NEGATIVE_INFINITY);
  await queue.pass(10);
  await queue.answer(false);
  assert.equal(queue.events.at(-1)?.kind, 'unobserved');
  await queue.pass(1_000);
  await queue.answer(true);
  await queue.pass(10);
  assert.deepEqual(queue.last.logins?.serverIds, [77]);
  assert.equal(queue.dials.length, 2);
  await queue.pass(1_000);
  assert.equal(queue.last.logins, undefined);
});

test('nothing is dialled anew at a server that cannot name who logs in', async (t) => {
  const queue = new Queue(t, { namesLogins: false });
  await queue.begun();
  await queue.pass(480);
  queue.observer.soon(300);
  await queue.pass(100);
  assert.equal(queue.dials.length, 1);
});

test('it is dialled anew one at a time, a quarter of a second after the last, and twice as long after each that fails, asked for once', async (t) => {
  const queue = new Queue(t);
  await queue.begun();
  /** From an answer until it is dialled again for one who asked 50 ms after that. */
  const pausedMs = async (answeredMs: number): Promise<number> => {
    const { length } = queue.dials;
    await queue.pass(50);
    queue.observer.soon(answeredMs);
    for (let passedMs = 50; passedMs <= 20_000; passedMs += 5) {
      const dial = queue.dials[length];
      if (dial) return dial.atMs - answeredMs;
      await queue.pass(5);
    }
    return assert.fail('it was never dialled');
  };
  await queue.pass(480);
  queue.observer.soon(300);
  await queue.pass(3_000);
  queue.observer.soon(3_000);
  await queue.pass(3_000);
  assert.equal(queue.dials.length, 2, 'the second one is not answered');
  const pauses: number[] = [];
  for (const isLetIn of [true, false, false, false, false, false, false, false, true])
    pauses.push(await pausedMs(await queue.answer(isLetIn)));
  assert.deepEqual(pauses, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 250]);
  assert.ok(
    queue.events.every(({ kind }) => kind === 'observed'),
    'the connection that there is serves on',
  );
});

test('one that is let in while a list is asked for takes its place with the next list, and no third is dialled before', async (t) => {
  const queue = new Queue(t);
  await queue.begun();
  await queue.pass(480);
  queue.observer.soon(300);
  queue.holdLists();
  await queue.pass(2_000);
  await queue.answer(true);
  await queue.pass(1_000);
  queue.observer.soon(2_500);
  await queue.pass(1_000);
  assert.equal(queue.dials.length, 2);
  queue.goOn();
  await queue.pass(50);
  assert.deepEqual([...queue.closed], [1]);
  queue.observer.soon(2_500);
  await queue.pass(10);
  assert.equal(queue.dials.length, 3);
});

test('a connection that is let in after the observer has stopped is closed', async (t) => {
  const queue = new Queue(t);
  await queue.begun();
  await queue.pass(480);
  queue.observer.soon(300);
  queue.observer.stop();
  await queue.answer(true);
  assert.deepEqual([...queue.closed].sort(), [1, 2]);
});
