import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TokenBuckets } from './token-buckets.js';

test('a full bucket gives its burst at once, then as fast as it fills', () => {
  const buckets = new TokenBuckets({ burst: 3, perSecond: 2 }, 10);
  const taken = [0, 0, 0, 0, 499, 500, 500, 1000].map((nowMs) => buckets.take('a', nowMs));
  assert.deepEqual(taken, [true, true, true, false, false, true, false, true]);
});

test('buckets of others are their own', () => {
  const buckets = new TokenBuckets({ burst: 1, perSecond: 1 }, 10);
  assert.ok(buckets.take('a', 0));
  assert.ok(!buckets.take('a', 0));
  assert.ok(buckets.take('b', 0));
});

test('a fine is a debt, but never more than a bucket full', () => {
  const buckets = new TokenBuckets({ burst: 4, perSecond: 1 }, 10);
  for (let time = 0; time < 5; time++) buckets.fine('a', 3, 0);
  assert.ok(!buckets.take('a', 4999));
  assert.ok(buckets.take('a', 5010));
});

test('the longest unused is forgotten when there are too many', () => {
  const buckets = new TokenBuckets({ burst: 1, perSecond: 0.001 }, 2);
  for (const key of ['a', 'b', 'c']) assert.ok(buckets.take(key, 0));
  assert.equal(buckets.size, 2);
  assert.ok(!buckets.take('b', 0));
  assert.ok(buckets.take('a', 0));
});

test('in no stretch of time more is given than a burst and what has filled since', () => {
  const rate = { burst: 5, perSecond: 2 };
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 200 }), (gapsMs) => {
      const buckets = new TokenBuckets(rate, 10);
      const takenMs: number[] = [];
      let nowMs = 0;
      for (const gapMs of gapsMs) {
        nowMs += gapMs;
        if (buckets.take('a', nowMs)) takenMs.push(nowMs);
      }
      for (let from = 0; from < takenMs.length; from++)
        for (let to = from; to < takenMs.length; to++) {
          const seconds = (takenMs[to]! - takenMs[from]!) / 1000;
          assert.ok(to - from + 1 <= rate.burst + seconds * rate.perSecond + 1e-6);
        }
    }),
  );
});
