import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Election } from './election.js';
import type { ElectionCommand, ElectionEvent } from './events.js';
import { defaultElection } from './settings.js';

const { ttlMs, drift, renewMs, lookMs } = defaultElection;

/** With a clock that the test moves. Time starts at 1000. */
class Driven {
  readonly election = new Election('a', defaultElection);
  nowMs = 1_000;

  tell(event: ElectionEvent): readonly ElectionCommand[] {
    return this.election.apply(event, this.nowMs, 0);
  }

  pass(ms: number): readonly ElectionCommand[] {
    this.nowMs += ms;
    return this.tell({ kind: 'tick' });
  }

  /** Wins at the start, at revision 5; each answer takes 100 ms. */
  static leader(): Driven {
    const driven = new Driven();
    const look = of('look', driven.tell({ kind: 'tick' }));
    driven.nowMs += 100;
    const lease = of(
      'lease',
      driven.tell({ kind: 'seen', request: look.request, revision: 4, holder: undefined }),
    );
    driven.nowMs += 100;
    const campaign = of(
      'campaign',
      driven.tell({ kind: 'leased', request: lease.request, lease: 'L', ttlMs }),
    );
    driven.nowMs += 100;
    const holder = { term: 5, brain: 'a', address: 'a:1', lease: 'L' };
    driven.tell({ kind: 'campaigned', request: campaign.request, revision: 5, holder });
    return driven;
  }
}

function of<Kind extends ElectionCommand['kind']>(
  kind: Kind,
  commands: readonly ElectionCommand[],
): Extract<ElectionCommand, { kind: Kind }> {
  const found = commands.find((command) => command.kind === kind);
  assert.ok(found, `${kind} among ${JSON.stringify(commands)}`);
  return found as Extract<ElectionCommand, { kind: Kind }>;
}

const other = { term: 9, brain: 'b', address: 'b:1', lease: 'M' };

test('one that does not stand asks for nothing but who leads; when it stands it asks for the key at once', () => {
  const election = new Election('a', defaultElection, false);
  const look = of('look', election.apply({ kind: 'tick' }, 1_000, 0));
  const seen = { kind: 'seen', request: look.request, revision: 4, holder: undefined } as const;
  assert.deepEqual(election.apply(seen, 1_100, 0), []);
  assert.ok(election.nextDeadlineMs() > 1_100, 'it is not woken for that');
  of('lease', election.apply({ kind: 'stand' }, 1_200, 0));
});

test('a term ends by the clock of the sending of what was granted, not of its answer', () => {
  const { election } = Driven.leader();
  // The lease was asked for at 1100.
  assert.deepEqual(election.leadership, { kind: 'leader', term: 5, untilMs: 1_100 + ttlMs * (1 - drift) });
});

test('a renewal counts from its own sending, whatever was sent or answered before it', () => {
  const driven = Driven.leader();
  driven.nowMs = 1_100 + renewMs - 1;
  const first = of('keepAlive', driven.pass(1));
  const second = of('keepAlive', driven.pass(renewMs - 1 + 1));
  const sentMs = driven.nowMs;
  driven.nowMs += 50;
  driven.tell({ kind: 'kept', request: second.request, ttlMs });
  driven.tell({ kind: 'kept', request: first.request, ttlMs });
  assert.deepEqual(driven.election.leadership, {
    ...{ kind: 'leader', term: 5 },
    untilMs: sentMs + ttlMs * (1 - drift),
  });
});

test('a brain that finds a key with its own name and a lease that it has not asked for leads by it never', () => {
  const driven = new Driven();
  const look = of('look', driven.tell({ kind: 'tick' }));
  const holder = { term: 5, brain: 'a', address: 'a:1', lease: 'of an earlier run' };
  const commands = driven.tell({ kind: 'seen', request: look.request, revision: 5, holder });
  assert.deepEqual(commands, []);
  assert.deepEqual(driven.election.leadership, { kind: 'nobody' });
  assert.deepEqual(driven.election.namesake, holder);
  driven.tell({ kind: 'seen', revision: 6, holder: undefined });
  assert.equal(driven.election.namesake, undefined);
});

test('a brain takes no key of its own for that of another by its name, also when it has let it go', () => {
  const driven = Driven.leader();
  const own = driven.election.holder!;
  const namesake = () => driven.election.namesake?.lease;
  assert.equal(namesake(), undefined);
  of('revoke', driven.tell({ kind: 'resign' }));
  driven.tell({ kind: 'seen', revision: 6, holder: own });
  assert.deepEqual(driven.election.leadership, { kind: 'nobody' });
  assert.equal(namesake(), undefined);
  driven.tell({ kind: 'seen', revision: 7, holder: { ...own, lease: 'of another' } });
  assert.equal(namesake(), 'of another');
  driven.tell({ kind: 'seen', revision: 9, holder: other });
  assert.equal(namesake(), undefined);
});

test('a lease that etcd does not know is the end, at once; the key is campaigned for anew', () => {
  const driven = Driven.leader();
  driven.nowMs = 1_100;
  const { request } = of('keepAlive', driven.pass(renewMs));
  const commands = driven.tell({ kind: 'kept', request, ttlMs: 0 });
  assert.deepEqual(driven.election.leadership, { kind: 'nobody' });
  of('lease', commands);
});

test('news that were overtaken are not heard', () => {
  const driven = Driven.leader();
  driven.tell({ kind: 'seen', revision: 4, holder: undefined });
  assert.equal(driven.election.leadership.kind, 'leader');
  of('revoke', driven.tell({ kind: 'seen', revision: 9, holder: other }));
  assert.deepEqual(driven.election.leadership, { kind: 'follower', term: 9, brain: 'b', address: 'b:1' });
});

test('an etcd that has begun anew is noticed by the first look that was sent since, and not by one that was sent before', () => {
  const driven = Driven.leader();
  driven.tell({ kind: 'seen', request: 1, revision: 2, holder: undefined });
  assert.equal(driven.election.leadership.kind, 'leader');
  const { request } = of('look', driven.pass(lookMs));
  driven.tell({ kind: 'seen', request, revision: 2, holder: undefined });
  assert.deepEqual(driven.election.leadership, { kind: 'nobody' });
  const again = of('look', driven.pass(lookMs)).request;
  driven.tell({ kind: 'seen', request: again, revision: 3, holder: { ...other, term: 3 } });
  assert.equal(driven.election.leadership.kind, 'follower');
});

test('who has resigned campaigns no more, and gives back a lease that comes late', () => {
  const driven = new Driven();
  const look = of('look', driven.tell({ kind: 'tick' }));
  const lease = of(
    'lease',
    driven.tell({ kind: 'seen', request: look.request, revision: 4, holder: undefined }),
  );
  driven.tell({ kind: 'resign' });
  of('revoke', driven.tell({ kind: 'leased', request: lease.request, lease: 'L', ttlMs }));
  assert.ok(!driven.pass(60_000).some(({ kind }) => kind === 'lease' || kind === 'campaign'));
});

test('after a failure the pause grows, and has an end', () => {
  const driven = new Driven();
  const look = of('look', driven.tell({ kind: 'tick' }));
  let commands = driven.tell({ kind: 'seen', request: look.request, revision: 4, holder: undefined });
  for (let tries = 0; tries < 20; tries++) {
    const lease = of('lease', commands);
    commands = driven.tell({ kind: 'failed', request: lease.request, problem: 'no' });
    assert.ok(!commands.some(({ kind }) => kind === 'lease'));
    const at = driven.election.nextDeadlineMs();
    assert.ok(at > driven.nowMs && at <= driven.nowMs + defaultElection.backOff.mostMs);
    commands = driven.pass(defaultElection.backOff.mostMs);
  }
});

test('a look that was lost is no trouble when etcd was heard since it was sent; one behind that is', () => {
  const driven = new Driven();
  const problem = () => driven.election.trouble?.problem;
  of('look', driven.tell({ kind: 'tick' }));
  driven.nowMs += 100;
  driven.tell({ kind: 'seen', revision: 9, holder: other });
  driven.pass(defaultElection.patienceMs);
  assert.equal(problem(), undefined);
  of('look', driven.pass(lookMs));
  driven.pass(defaultElection.patienceMs);
  assert.match(problem() ?? '', /has not answered/);
});
