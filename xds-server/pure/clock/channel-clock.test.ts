import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChannelClocks } from './channel-clock.js';
import type { Stamps } from './node-clock.js';

const mostMs = 500;

/** A check that begins when the brain's clock shows `atMs`, on a node whose monotonic clock is that − `offsetMs`. */
function begun(atMs: number, { offsetMs = 50_000, epochMs = 1_700_000_000_000 } = {}): Stamps {
  const monotonicMs = atMs - offsetMs;
  return { monotonicMs, ageMs: 0, bornUnixMs: epochMs + monotonicMs, retriedAfterMs: 0 };
}

/** A node that was known by one connection, and by another has sent what began `waitedMs` before that. */
function reconnected(waitedMs: number, awayMs = 10_000) {
  const clocks = new ChannelClocks();
  clocks.of({}, 'edge-1').observe(begun(100_000), 100_000);
  const nowMs = 100_000 + awayMs;
  const clock = clocks.of({}, 'edge-1');
  clock.observe(begun(nowMs - waitedMs), nowMs);
  return { clock, nowMs };
}

test('a new connection whose checks have waited for it is doubted until one comes that has not', () => {
  const { clock, nowMs } = reconnected(600);
  assert.equal(clock.isDoubtful(nowMs, mostMs), true);
  clock.observe(begun(nowMs + 100), nowMs + 101);
  assert.equal(clock.isDoubtful(nowMs + 101, mostMs), false);
});

test('however long the brain stood still, and not for what they waited in the brain’s own socket', () => {
  const { clock, nowMs } = reconnected(600, 600_000);
  assert.equal(clock.isDoubtful(nowMs, mostMs), true);

  const channel = {};
  const clocks = new ChannelClocks();
  const old = clocks.of(channel, 'edge-1');
  old.observe(begun(100_000), 100_000);
  clocks.of(channel, 'edge-1').observe(begun(100_100), 110_000);
  assert.equal(old.isDoubtful(110_000, mostMs), false);
});

test('a grant ends by what this connection has shown alone, which is never later than it is', () => {
  const { clock, nowMs } = reconnected(600);
  assert.equal(clock.nodeMs(nowMs), nowMs - 50_000 - 600);
});

test('who has waited less, is another node or of another run of its clock is not doubted', () => {
  const { clock, nowMs } = reconnected(400);
  assert.equal(clock.isDoubtful(nowMs, mostMs), false);

  const clocks = new ChannelClocks();
  clocks.of({}, 'edge-1').observe(begun(100_000), 100_000);
  const other = clocks.of({}, 'edge-2');
  other.observe(begun(99_000), 100_000);
  assert.equal(other.isDoubtful(100_000, mostMs), false);

  const booted = clocks.of({}, 'edge-1');
  booted.observe(begun(100_000, { offsetMs: 99_000, epochMs: 1_700_000_049_000 }), 100_000);
  assert.equal(booted.isDoubtful(100_000, mostMs), false);
});

test('it is not doubted for ever: a machine that was put back is behind what was known of it and stays so', () => {
  const { clock, nowMs } = reconnected(3_600_000);
  assert.equal(clock.isDoubtful(nowMs, mostMs), true);
  for (const afterMs of [1_000, 4_999, 5_000])
    clock.observe(begun(nowMs + afterMs - 3_600_000), nowMs + afterMs);
  assert.equal(clock.isDoubtful(nowMs + 4_999, mostMs), true);
  assert.equal(clock.isDoubtful(nowMs + 5_000, mostMs), false);
});

test('of a known node nobody is granted what is over, however long his check and those before it have waited', () => {
  const ttlMs = 700;
  const world = fc.record({
    transitMs: fc.nat(50),
    awayMs: fc.integer({ min: 2_000, max: 600_000 }),
    waitedMs: fc.array(fc.nat(1_000), { minLength: 1, maxLength: 50 }),
  });
  fc.assert(
    fc.property(world, ({ transitMs, awayMs, waitedMs }) => {
      const clocks = new ChannelClocks();
      clocks.of({}, 'edge-1').observe(begun(100_000), 100_000 + transitMs);
      const clock = clocks.of({}, 'edge-1');
      let nowMs = 100_000 + awayMs;
      for (const waited of waitedMs) {
        nowMs += 1;
        clock.observe(begun(nowMs - waited), nowMs);
        const leftMs = clock.nodeMs(nowMs + ttlMs) - (nowMs - 50_000);
        assert.ok(clock.isDoubtful(nowMs, mostMs) || leftMs >= ttlMs - mostMs - transitMs, `${leftMs} ms`);
      }
      // Over a connection that stands it has not waited.
      clock.observe(begun(nowMs + 1_000), nowMs + 1_000);
      assert.equal(clock.isDoubtful(nowMs + 1_000, mostMs), false);
    }),
  );
});
