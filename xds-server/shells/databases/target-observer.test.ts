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
      list: async (withLogins) => ({
        sessions: [{ serverId: ownId }],
        ...(withLogins && { loggingIn: [77] }),
      }),
      close: () => void this.closed.add(ownId),
    };
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

test('nothing is dialled anew at a server that cannot name who logs in', async (t) => {
  const queue = new Queue(t, { namesLogins: false });
  await queue.begun();
  await queue.pass(480);
  queue.observer.soon(300);
  await queue.pass(100);
  assert.equal(queue.dials.length, 1);
});

test('it is dialled anew one at a time, after a second, and after twice as long for each that fails', async (t) => {
  const queue = new Queue(t);
  await queue.begun();
  let nowMs = await queue.answer(true);
  /** Until it is dialled again: how long that was. */
  const pausedMs = async (): Promise<number> => {
    const { length } = queue.dials;
    for (let passedMs = 0; passedMs < 20_000; passedMs += 100) {
      queue.observer.soon(nowMs);
      if (queue.dials.length > length) return passedMs;
      await queue.pass(100);
    }
    return assert.fail('it was never dialled');
  };
  await queue.pass(100);
  await pausedMs();
  await queue.pass(3_000);
  queue.observer.soon(nowMs);
  assert.equal(queue.dials.length, 2, 'the second one is not answered');
  const pauses: number[] = [];
  for (const isLetIn of [true, false, false, false, false, false, true]) {
    nowMs = await queue.answer(isLetIn);
    pauses.push(await pausedMs());
  }
  assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 1_000]);
  assert.ok(
    queue.events.every(({ kind }) => kind === 'observed'),
    'the connection that there is serves on',
  );
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
