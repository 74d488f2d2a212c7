import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ActivityBook, type ActivityReport } from './activity-book.js';

const connection = 'ab'.repeat(16);

const report = (line: unknown, more: Partial<ActivityReport> = {}): ActivityReport => ({
  connection,
  line,
  ageMs: 2_000,
  bornMonotonicMs: 50_000,
  client: undefined,
  isEnd: false,
  ...more,
});

/** A brain that has started a minute before its clock shows 1,060,000. */
const book = (): ActivityBook => new ActivityBook(1_000_000);
const now = 1_060_000;

test('of each report only what is new counts', () => {
  const made = book();
  assert.deepEqual(made.take(report('idle 51000 2 3 1 900 800 1,1'), now), {
    transactions: 2,
    queries: 3,
    errors: 1,
    transactionUs: 900,
    queryUs: 800,
    histogram: [1, 1],
  });
  assert.deepEqual(made.take(report('active 52000 5 8 1 1900 1000 1,3,0,1'), now), {
    transactions: 3,
    queries: 5,
    errors: 0,
    transactionUs: 1000,
    queryUs: 200,
    histogram: [0, 2, 0, 1],
  });
});

test('a report that comes twice, late, or behind the end counts nothing', () => {
  const made = book();
  const [first, second] = ['idle 51000 2 3 1 900 800 2', 'idle 52000 4 6 1 1900 1800 4'];
  made.take(report(first), now);
  assert.equal(made.take(report(first), now), undefined);
  assert.equal(made.take(report(second), now)?.transactions, 2);
  assert.equal(made.take(report(first), now), undefined);
  assert.equal(made.take(report('idle 53000 5 7 1 2000 1900 5', { isEnd: true }), now)?.transactions, 1);
  assert.equal(made.take(report(second), now), undefined);
  assert.equal(made.take(report('idle 53000 5 7 1 2000 1900 5', { isEnd: true }), now), undefined);
  assert.equal(made.view(connection, now), undefined);
});

test('what a session did before the brain started is not counted', () => {
  const made = book();
  assert.equal(made.take(report('idle 51000 500 500 0 900 800 500', { ageMs: 60_001 }), now), undefined);
  assert.equal(made.take(report('idle 99000 501 501 0 901 801 501'), now)?.transactions, 1);
});

test('counts that fall are not believed', () => {
  const made = book();
  made.take(report('idle 51000 2 3 1 900 800 2'), now);
  assert.equal(made.take(report('idle 52000 1 4 1 900 800 1'), now), undefined);
  assert.equal(made.view(connection, now)?.counts.transactions, 2);
});

test('what no node of ours wrote says nothing', () => {
  const made = book();
  for (const line of [
    undefined,
    7,
    '',
    'idle',
    'asleep 1 1 1 1 1 1 1',
    'idle 1 1 1 1 1 1',
    'idle 1 1 1 1 1 1 1 1',
    'idle 1 -1 1 1 1 1 ',
    'idle 1 1e3 1 1 1 1 ',
    'idle 1 99999999999999999999 1 1 1 1 ',
    `idle 1 1 1 1 1 1 ${Array(17).fill('1').join(',')}`,
    `idle 1 1 1 1 1 1 ${'1,'.repeat(300)}1`,
  ])
    assert.equal(made.take(report(line), now), undefined, String(line));
  assert.equal(made.view(connection, now), undefined);
});

test('a state lasts since it began on the node', () => {
  const made = book();
  made.take(report('transaction 51500 0 1 0 0 10 '), now);
  assert.equal(made.view(connection, now)?.state, 'transaction');
  assert.equal(made.view(connection, now)?.forMs, 500);
  made.take(report('transaction 51500 0 1 0 0 10 ', { ageMs: 4_000 }), now + 2_000);
  assert.equal(made.view(connection, now + 2_000)?.forMs, 2_500);
  const nobody = 'cd'.repeat(16);
  made.take(report('idle 51500 0 0 0 0 0 ', { connection: nobody, bornMonotonicMs: undefined }), now);
  assert.equal(made.view(nobody, now)?.forMs, undefined);
});

const ann = { host: '10.0.0.9', port: 50_412 };

test('a session’s client is known from its first report on, before there is a line of it', () => {
  const made = book();
  assert.equal(made.client(connection), undefined);
  made.take(report(undefined, { client: ann }), now);
  assert.deepEqual(made.client(connection), ann);
  assert.equal(made.view(connection, now), undefined);
  assert.equal(made.take(report('idle 51000 2 3 1 900 800 2'), now)?.transactions, 2);
  assert.deepEqual(made.client(connection), ann, 'a brain that does not tell it takes nothing away');
});

test('a client that an older brain did not tell is known when a newer one tells the same session', () => {
  const made = book();
  const line = 'idle 51000 2 3 1 900 800 2';
  made.take(report(line), now);
  made.take(report(line, { client: ann }), now);
  assert.deepEqual(made.client(connection), ann);
});

test('a client is taken from the first report that has it, and kept as that told it', () => {
  const made = book();
  made.take(report('idle 51000 2 3 1 900 800 2', { client: ann }), now);
  made.take(report('idle 52000 3 4 1 900 800 3', { client: { ...ann } }), now);
  assert.equal(made.client(connection), ann);
});

test('a session’s client is known when it has ended, too: its slot may be closing', () => {
  const made = book();
  made.take(report('idle 51000 2 3 1 900 800 2', { client: ann, isEnd: true }), now);
  assert.equal(made.view(connection, now), undefined);
  assert.deepEqual(made.client(connection), ann);
});

test('no number of clients makes it grow for ever', () => {
  const made = book();
  const name = (n: number): string => n.toString(16).padStart(32, '0');
  for (let n = 0; n < 100_001; n += 1)
    made.take(report(undefined, { connection: name(n), client: ann }), now);
  assert.deepEqual([made.client(name(0)), made.client(name(1))], [undefined, ann]);
  for (let n = 1; n < 20_002; n += 1) made.take(report(undefined, { connection: name(n), isEnd: true }), now);
  assert.deepEqual([made.client(name(1)), made.client(name(2))], [undefined, ann]);
});

test('no number of sessions makes it grow for ever', () => {
  const made = book();
  const name = (n: number): string => n.toString(16).padStart(32, '0');
  for (let n = 0; n < 100_001; n += 1)
    made.take(report('idle 51000 1 1 0 1 1 1', { connection: name(n) }), now);
  assert.equal(made.view(name(0), now), undefined);
  assert.ok(made.view(name(1), now));
});
