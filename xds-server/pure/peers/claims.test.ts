import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Claims, maxNodes } from './claims.js';

let nowMs: number;
let asked: string[];
let claims: Claims<string>;

beforeEach(() => {
  nowMs = 0;
  asked = [];
  claims = new Claims({
    now: () => nowMs,
    ask: (brain, node, service, needs) => asked.push(`${brain} ${node} ${service}: ${needs}`),
  });
});

test('a brain is asked once when its node is ready for a service, and all who wait are told', () => {
  claims.claim('b1', 'n1', 'v1');
  let told = 0;
  for (let i = 0; i < 2; i += 1) claims.whenReady('n1', 'checkout', 'cluster', () => (told += 1));
  assert.deepEqual(asked, ['b1 n1 checkout: cluster']);
  assert.equal(claims.isReady('n1', 'cluster'), false);
  claims.becameReady('b1', 'n1', 'cluster');
  assert.equal(told, 2);
  assert.equal(claims.isReady('n1', 'cluster'), true);
});

test('the last brain that names a node has it, and is asked what is wanted', () => {
  claims.claim('b1', 'n1', 'v1');
  claims.whenReady('n1', 'checkout', 'cluster', () => undefined);
  claims.claim('b2', 'n1', 'v1');
  assert.deepEqual(asked, ['b1 n1 checkout: cluster', 'b2 n1 checkout: cluster']);
  claims.becameReady('b1', 'n1', 'cluster');
  assert.equal(claims.isReady('n1', 'cluster'), false);
  claims.release('b1', 'n1');
  assert.equal(claims.has('n1'), true);
});

test('what a node was ready for by another plan is not what is asked for', () => {
  claims.claim('b1', 'n1', 'v1');
  let told = 0;
  claims.whenReady('n1', 'checkout', 'cluster', () => (told += 1));
  claims.planned();
  claims.whenReady('n1', 'checkout', 'cluster secret', () => (told += 10));
  assert.deepEqual(asked, ['b1 n1 checkout: cluster', 'b1 n1 checkout: cluster secret']);
  claims.becameReady('b1', 'n1', 'cluster');
  assert.deepEqual([told, claims.isReady('n1', 'cluster secret')], [1, false]);
  claims.becameReady('b1', 'n1', 'cluster secret');
  assert.deepEqual([told, claims.isReady('n1', 'cluster secret')], [11, true]);
});

test('a brain that has said nothing for a while is asked again by the next who wants to know', () => {
  claims.claim('b1', 'n1', 'v1');
  const want = () => claims.whenReady('n1', 'checkout', 'cluster', () => undefined);
  want();
  nowMs = 999;
  want();
  assert.equal(asked.length, 1);
  nowMs = 1_000;
  want();
  assert.equal(asked.length, 2);
});

test('who no longer waits is not asked for', () => {
  const stop = claims.whenReady('n1', 'checkout', 'cluster', () => undefined);
  stop();
  stop();
  claims.claim('b1', 'n1', 'v1');
  assert.deepEqual(asked, []);
});

test('what a lost brain said holds for a while, and no longer', () => {
  claims.claim('b1', 'n1', 'v1');
  claims.becameReady('b1', 'n1', 'cluster');
  claims.lost('b1');
  assert.deepEqual([claims.has('n1'), claims.isReady('n1', 'cluster')], [false, true]);
  nowMs = 14_999;
  assert.equal(claims.isReady('n1', 'cluster'), true);
  nowMs = 15_000;
  assert.deepEqual([claims.has('n1'), claims.isReady('n1', 'cluster')], [false, false]);
});

test('another plan asks for everything anew', () => {
  claims.claim('b1', 'n1', 'v1');
  claims.becameReady('b1', 'n1', 'cluster');
  claims.planned();
  assert.equal(claims.isReady('n1', 'cluster'), false);
});

test('nodes have a version of limits when all have, those of lost brains aside', () => {
  assert.equal(claims.haveRuntime('v2'), true);
  claims.claim('b1', 'n1', 'v2');
  claims.claim('b2', 'n2', 'v1');
  assert.equal(claims.haveRuntime('v2'), false);
  claims.lost('b2');
  assert.equal(claims.haveRuntime('v2'), true);
});

test('where there are too many nodes those of lost brains are forgotten; without any, one more is not taken in', () => {
  for (let i = 0; i < maxNodes; i += 1) assert.equal(claims.claim(i < 5 ? 'b2' : 'b1', `n${i}`, 'v1'), true);
  assert.equal(claims.claim('b1', 'one more', 'v1'), false);
  assert.equal(claims.has('one more'), false);
  assert.equal(claims.claim('b1', 'n7', 'v1'), true, 'one that is known is taken as before');
  claims.lost('b2');
  assert.equal(claims.claim('b1', 'one more', 'v1'), true);
  assert.equal(claims.countOf('b1'), maxNodes - 4);
  for (let i = 0; i < 4; i += 1) assert.equal(claims.claim('b3', `n${i}`, 'v1'), true);
  assert.equal(claims.claim('b3', 'n4', 'v1'), false);
});
