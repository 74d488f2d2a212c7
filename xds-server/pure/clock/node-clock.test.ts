import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NodeClock, type Stamps } from './node-clock.js';

/** A node whose monotonic clock shows `brain − offset`, and whose wall clock is `epoch` ahead of that. */
const node = { offsetMs: 50_000, epochMs: 1_700_000_000_000 };

/** A check that is sent when the brain's clock shows `sentMs`, for a client that came `ageMs` before. */
function stamps(sentMs: number, { ageMs = 0, retriedAfterMs = 0, of = node } = {}): Stamps {
  const monotonicMs = sentMs - retriedAfterMs - of.offsetMs;
  return { monotonicMs, ageMs, bornUnixMs: of.epochMs + monotonicMs - ageMs, retriedAfterMs };
}

test('a client has waited since its birth, and the node’s clock is known', () => {
  const clock = new NodeClock();
  assert.equal(clock.observe(stamps(100_000, { ageMs: 30 }), 100_000), 30);
  assert.equal(clock.nodeMs(100_500), 50_500);
});

test('a check that is sent again has waited since its first sending, also when it is all that is known', () => {
  const clock = new NodeClock();
  assert.equal(clock.observe(stamps(100_000, { ageMs: 30, retriedAfterMs: 4_000 }), 100_000), 4_030);
  assert.equal(clock.nodeMs(100_000), 50_000);
});

test('a check that lay in a socket while the brain stood still has waited that long, once the node is known', () => {
  const clock = new NodeClock();
  clock.observe(stamps(100_000), 100_001);
  assert.equal(clock.observe(stamps(101_000), 104_000), 2_999);
  assert.equal(clock.nodeMs(104_000), 53_999);
});

test('the estimate follows a clock that drifts, within two windows', () => {
  const clock = new NodeClock();
  for (let at = 0; at <= 60_000; at += 1_000)
    clock.observe(
      stamps(100_000 + at, { of: { ...node, offsetMs: node.offsetMs + at / 10_000 } }),
      100_000 + at,
    );
  assert.ok(clock.nodeMs(160_000) >= 110_000 - 6 && clock.nodeMs(160_000) <= 110_000 + 3);
});

test('a node that was restarted with its machine is known anew at its first check', () => {
  const clock = new NodeClock();
  clock.observe(stamps(100_000), 100_000);
  const rebooted = { offsetMs: 99_000, epochMs: node.epochMs + 49_000 };
  assert.equal(clock.observe(stamps(101_000, { of: rebooted }), 101_000), 0);
  assert.equal(clock.nodeMs(101_000), 2_000);
});

test('the estimate is never ahead of the node’s clock, whatever the transit and the retries', () => {
  const check = fc.record({
    afterMs: fc.nat(20_000),
    transitMs: fc.nat(5_000),
    retriedAfterMs: fc.nat(10_000),
    ageMs: fc.nat(1_000),
  });
  fc.assert(
    fc.property(fc.array(check, { minLength: 1, maxLength: 50 }), (checks) => {
      const clock = new NodeClock();
      let sentMs = 1_000_000;
      let arrivedMs = 0;
      for (const { afterMs, transitMs, ...rest } of checks) {
        sentMs += afterMs;
        arrivedMs = Math.max(arrivedMs, sentMs + transitMs);
        const waitedMs = clock.observe(stamps(sentMs, rest), arrivedMs);
        const trulyMs = rest.ageMs + rest.retriedAfterMs + (arrivedMs - sentMs);
        assert.ok(waitedMs <= trulyMs + 1e-6 && waitedMs >= rest.ageMs, `${waitedMs} of ${trulyMs}`);
        assert.ok(clock.nodeMs(arrivedMs) <= arrivedMs - node.offsetMs + 1e-6);
      }
    }),
  );
});

test('a grant lives at most a minute’s drift too long on a node whose clock is slow, however its checks come', () => {
  const slow = 0.005;
  const clock = new NodeClock();
  // The first of a window, one as late as a window can be, and one before that is over too.
  for (const atMs of [0, 59_990, 89_980]) {
    clock.observe(stamps(atMs * (1 - slow)), atMs);
    const livesMs = (clock.nodeMs(atMs + 1_000) + node.offsetMs) / (1 - slow) - atMs;
    assert.ok(livesMs < 1_000 + 310, `${livesMs} at ${atMs}`);
  }
});
