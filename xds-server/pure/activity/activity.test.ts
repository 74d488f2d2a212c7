import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type ActivityCounts,
  activityStates,
  added,
  noCounts,
  parseActivity,
  transactionTimeBounds,
} from './activity.js';

const count = fc.nat({ max: 2 ** 40 });
const plain = { noNullPrototype: true } as const;
const counts: fc.Arbitrary<ActivityCounts> = fc.record(
  {
    transactions: count,
    queries: count,
    errors: count,
    transactionUs: count,
    queryUs: count,
    histogram: fc.array(count, { maxLength: transactionTimeBounds.length + 1 }),
  },
  plain,
);
const activities = fc.record({ state: fc.constantFrom(...activityStates), sinceMs: count, counts }, plain);

test('what a node writes of a session is read as it was meant', () => {
  fc.assert(
    fc.property(activities, ({ state, sinceMs, counts: of }) => {
      const numbers = [sinceMs, of.transactions, of.queries, of.errors, of.transactionUs, of.queryUs];
      const line = [state, ...numbers, of.histogram.join(',')].join(' ');
      assert.deepEqual(parseActivity(line), { state, sinceMs, counts: of });
    }),
  );
});

for (const line of [
  undefined,
  7,
  '',
  'idle',
  'idle 1 2 3 4 5 6',
  'idle 1 2 3 4 5 6 7 8',
  'busy 1 2 3 4 5 6 7',
  'idle -1 2 3 4 5 6 7',
  'idle 1 2 3 4 5 6.5 7',
  'idle 1 2 3 4 5 0x6 7',
  'idle 1 2 3 4 5 9999999999999999 7',
  'idle 1 2 3 4 5 6 7,',
  `idle 1 2 3 4 5 6 ${Array(transactionTimeBounds.length + 2).fill(1)}`,
])
  test(`no node of ours wrote ${JSON.stringify(line)?.slice(0, 60)}`, () => {
    assert.equal(parseActivity(line), undefined);
  });

const sum = (one: ActivityCounts, other: ActivityCounts): ActivityCounts => ({
  transactions: one.transactions + other.transactions,
  queries: one.queries + other.queries,
  errors: one.errors + other.errors,
  transactionUs: one.transactionUs + other.transactionUs,
  queryUs: one.queryUs + other.queryUs,
  histogram: Array.from(
    { length: Math.max(one.histogram.length, other.histogram.length) },
    (_, bucket) => (one.histogram[bucket] ?? 0) + (other.histogram[bucket] ?? 0),
  ),
});

test('what has come to a session’s counts, and what they were, are what they are', () => {
  fc.assert(
    fc.property(counts, counts, (before, more) => {
      const after = sum(before, more);
      assert.deepEqual(sum(before, added(before, after)!), after);
    }),
  );
  assert.deepEqual(added(noCounts, noCounts), noCounts);
});

test('counts of which one has fallen are no later ones', () => {
  const names = ['transactions', 'queries', 'errors', 'transactionUs', 'queryUs'] as const;
  fc.assert(
    fc.property(counts, counts, fc.constantFrom(...names), (before, more, fallen) => {
      assert.equal(added(before, { ...sum(before, more), [fallen]: before[fallen] - 1 }), undefined);
    }),
  );
  const before = { ...noCounts, histogram: [1, 2] };
  for (const histogram of [[1], [0, 2], [2, 1, 5], []])
    assert.equal(added(before, { ...noCounts, histogram }), undefined);
});
