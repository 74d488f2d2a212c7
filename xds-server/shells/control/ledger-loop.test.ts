import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LedgerEffect, LedgerEvent } from '../../pure/ledger/events.js';
import { LedgerLoop, type LedgerMachine } from './ledger-loop.js';

const cancel = (connection: string): LedgerEvent => ({ kind: 'cancel', connection });
const observe = (target: string): LedgerEffect => ({ kind: 'observe', target });

test('an event that an effect causes is taken after all have seen that effect', () => {
  const seen: string[] = [];
  const loop = new LedgerLoop({
    apply: (event) => {
      if (event.kind !== 'cancel') return [];
      seen.push(`event ${event.connection}`);
      return event.connection === 'first' ? [observe('a'), observe('b')] : [];
    },
    nextDeadlineMs: () => undefined,
  });
  loop.subscribe((effect) => {
    if (effect.kind !== 'observe') return;
    seen.push(`one ${effect.target}`);
    loop.apply(cancel(effect.target));
  });
  loop.subscribe((effect) => effect.kind === 'observe' && seen.push(`two ${effect.target}`));
  loop.apply(cancel('first'));
  assert.deepEqual(seen, ['event first', 'one a', 'two a', 'one b', 'two b', 'event a', 'event b']);
});

test('an effect that fails keeps neither the other effects nor the next event from being carried out', () => {
  const seen: string[] = [];
  const loop = new LedgerLoop({
    apply: (event) => (event.kind === 'cancel' ? [observe(event.connection), observe('z')] : []),
    nextDeadlineMs: () => undefined,
  });
  loop.subscribe((effect) => {
    if (effect.kind === 'observe' && effect.target === 'x') throw new Error('a bug');
    seen.push(effect.kind === 'observe' ? effect.target : '');
  });
  assert.throws(() => loop.apply(cancel('x')), /a bug/);
  loop.apply(cancel('y'));
  assert.deepEqual(seen, ['z', 'y', 'z']);
});

/** A ledger with one deadline, which a tick meets. */
class Alarm implements LedgerMachine {
  deadlineMs: number | undefined;
  readonly ticks: number[] = [];
  readonly #reached: (atMs: number) => void;

  constructor(reached: (atMs: number) => void) {
    this.#reached = reached;
  }

  apply(event: LedgerEvent, nowMs: number): LedgerEffect[] {
    if (event.kind !== 'tick') return [];
    this.deadlineMs = undefined;
    this.ticks.push(nowMs);
    this.#reached(nowMs);
    return [];
  }

  nextDeadlineMs(): number | undefined {
    return this.deadlineMs;
  }
}

test('a deadline is met not before its time, also when it comes nearer meanwhile', async () => {
  let alarm: Alarm | undefined;
  const reached = new Promise<number>((resolve) => {
    alarm = new Alarm(resolve);
  });
  const loop = new LedgerLoop(alarm!);
  // The loop's own timer does not keep a process alive.
  const alive = setInterval(() => undefined, 1_000);
  alarm!.deadlineMs = performance.now() + 60_000;
  loop.apply(cancel('x'));
  const deadlineMs = performance.now() + 25;
  alarm!.deadlineMs = deadlineMs;
  loop.apply(cancel('y'));
  const atMs = await reached;
  clearInterval(alive);
  assert.ok(atMs >= deadlineMs && atMs < deadlineMs + 1_000, `${atMs - deadlineMs} ms late`);
  assert.equal(alarm!.ticks.length, 1);
  loop.stop();
});

test('a loop that is stopped takes nothing more', () => {
  let taken = 0;
  const loop = new LedgerLoop({
    apply: () => {
      taken++;
      return [];
    },
    nextDeadlineMs: () => undefined,
  });
  loop.stop();
  loop.apply(cancel('x'));
  assert.equal(taken, 0);
});

test('a ledger that throws is told of once and asked nothing more', () => {
  const errors: unknown[] = [];
  let applied = 0;
  const broken = {
    apply: () => {
      applied += 1;
      throw new Error('contradiction');
    },
    nextDeadlineMs: () => undefined,
  };
  const loop = new LedgerLoop(
    broken,
    () => 0,
    (error) => errors.push(error),
  );
  loop.apply({ kind: 'tick' });
  loop.apply({ kind: 'tick' });
  assert.equal(applied, 1);
  assert.deepEqual(errors.map(String), ['Error: contradiction']);
});
