/** Whom a KILL may mean. That the server then stops the right session: test/e2e/kill.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SessionDirectory, type SessionReport } from '../../pure/cancel/session-directory.js';
import type { Plan } from '../../pure/plan/plan.js';
import { type KillOutcome, SessionFinder } from './session-finder.js';

const plan = {
  services: new Map([
    ['dashboard', { tenant: 'shop' }],
    ['nightly', { tenant: 'shop' }],
    ['stranger', { tenant: 'other' }],
  ]),
} as unknown as Plan;

const frontId = 4_026_531_841;
/** The slack is on top. */
const reportIntervalMs = 1000 - 500;

function brain({ startedAgoMs = 60_000, intervalMs = reportIntervalMs } = {}) {
  let skippedMs = 0;
  const now = (): number => performance.now() + skippedMs;
  const directory = new SessionDirectory(1_000_000);
  const outcomes: KillOutcome[] = [];
  const finder = new SessionFinder({
    now,
    plan: () => plan,
    directory,
    counted: (outcome) => outcomes.push(outcome),
    reportIntervalMs: intervalMs,
  });
  skippedMs = startedAgoMs;
  const report = (changes: Partial<SessionReport> = {}): void =>
    directory.reported(
      {
        ...{ connection: 'meant', node: 'edge-1', service: 'dashboard', frontId, serverId: 7 },
        ...{ cancelDigest: undefined, server: '10.0.0.5:3306', ...changes },
      },
      now(),
    );
  report({ connection: 'asking', frontId: frontId + 1, serverId: 8 });
  return {
    ...{ outcomes, report, directory, now },
    skip: (ms: number) => {
      skippedMs += ms;
    },
    find: async (node = 'edge-1') => {
      const serverId = await finder.find({ connection: 'asking', frontId }, node);
      return serverId ?? outcomes.at(-1);
    },
  };
}

test('a session on the same server is found, of the same service or the same tenant', async () => {
  for (const service of ['dashboard', 'nightly']) {
    const { find, report, outcomes } = brain();
    report({ service });
    assert.equal(await find(), 7);
    assert.deepEqual(outcomes, ['translated']);
  }
});

test('one of another tenant is not', async () => {
  const { find, report } = brain();
  report({ service: 'stranger' });
  assert.equal(await find(), 'other_tenant');
});

test('one on another server is not: its id would be a stranger’s there', async () => {
  const { find, report } = brain();
  report({ server: '10.0.0.6:3306' });
  assert.equal(await find(), 'other_server');
});

test('an id that nobody has, or whose session has ended, is unknown at once', async () => {
  const { find, report, directory } = brain();
  assert.equal(await find(), 'unknown_session');
  report();
  directory.ended('meant', 'edge-1');
  assert.equal(await find(), 'unknown_session');
});

test('an id that two have means neither, also while one of them was only granted', async () => {
  const { find, report, directory, now } = brain();
  report();
  directory.granted({ connection: 'twin', node: 'edge-1', service: 'dashboard', frontId }, now());
  assert.equal(await find(), 'ambiguous');
});

test('a session that was granted and not reported yet is waited for', async () => {
  const { find, report, directory, now } = brain();
  directory.granted({ connection: 'meant', node: 'edge-1', service: 'dashboard', frontId }, now());
  const found = find();
  report();
  assert.equal(await found, 7);
});

test('a session that has not been heard of for a while may have ended', async () => {
  const { find, report, skip } = brain();
  report();
  skip(2 * reportIntervalMs + 1001);
  assert.equal(await find(), 'unknown_session');
});

test('a brain that has just started waits for all reports first', async () => {
  const { find, report, skip } = brain({ startedAgoMs: 0 });
  const found = find();
  report();
  report({ connection: 'twin' });
  skip(1000);
  assert.equal(await found, 'ambiguous');
});

test('a KILL is answered before its node gives it up, also when both waits are due', async () => {
  const { find, directory, now, skip } = brain({ startedAgoMs: 0, intervalMs: 2000 });
  const askedMs = now();
  directory.granted({ connection: 'meant', node: 'edge-1', service: 'dashboard', frontId }, askedMs);
  const found = find();
  skip(4000);
  assert.equal(await found, 'unknown_session');
  // filters/module/src/session/asking.rs gives it 5 s.
  assert.ok(now() - askedMs < 5000);
});

test('who is meant is not said while not all sessions can be known', async () => {
  const { find, report, skip } = brain({ startedAgoMs: 0, intervalMs: 5000 });
  const found = find();
  report();
  skip(4000);
  assert.equal(await found, 'unknown_session');
});

test('another node cannot ask in the name of a connection that is not its own', async () => {
  const { find, report } = brain();
  report();
  assert.equal(await find('edge-2'), 'unknown_session');
});
