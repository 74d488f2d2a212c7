import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alone } from '../../pure/leadership/leadership.js';
import { leadershipStatus } from './leadership-status.js';

const at = {
  ...{ brain: 'a', trouble: undefined, nowMs: 1_000, followers: [], link: undefined, namesake: undefined },
  unreachedForMs: 0,
};

test('a brain that is alone leads without end', () => {
  const { role, brain, leader, term, remaining_ms } = leadershipStatus({
    ...at,
    brain: undefined,
    leadership: alone,
  });
  assert.deepEqual(
    { role, brain, leader, term, remaining_ms },
    {
      ...{ role: 'leader', brain: null, leader: null, term: null, remaining_ms: null },
    },
  );
});

test('a term that is over has nothing left, however long it is over', () => {
  const left = (untilMs: number): unknown =>
    leadershipStatus({ ...at, leadership: { kind: 'leader', term: 7, untilMs } }).remaining_ms;
  assert.equal(left(2_600), 1_600);
  assert.equal(left(1_000), 0);
  assert.equal(left(-5_000), 0);
});

test('a follower says since when it does not reach the leader, and why', () => {
  const leadership = { kind: 'follower', term: 7, brain: 'b', address: '10.0.0.2:18000' } as const;
  const link = (isOpen: boolean, problem?: string): unknown =>
    leadershipStatus({ ...at, leadership, link: { isOpen, problem }, unreachedForMs: 1_200.4 }).link;
  assert.deepEqual(link(true), { open: true, for_ms: null, problem: null });
  assert.deepEqual(link(false, 'it is silent'), { open: false, for_ms: 1_200, problem: 'it is silent' });
});

test('a leader that has the id of this brain is told of, and is nobody to follow', () => {
  const namesake = '10.0.0.2:18000';
  const status = leadershipStatus({ ...at, leadership: { kind: 'nobody' }, namesake });
  assert.deepEqual([status.role, status.leader, status.address], ['none', null, null]);
  assert.equal(status.namesake, namesake);
  assert.equal(leadershipStatus({ ...at, leadership: { kind: 'nobody' } }).namesake, null);
});
