/** Brains that elect a leader on a real etcd: in this process, so that each can be cut off and stood still. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import pino from 'pino';
import type { Leadership } from '../../xds-server/pure/leadership/leadership.js';
import { defaultElection } from '../../xds-server/pure/leadership/settings.js';
import { ElectionLoop } from '../../xds-server/shells/election/election-loop.js';
import { leaderKey as leaderKeyOf } from '../../xds-server/shells/election/leader-key.js';
import { EtcdClient } from '../../xds-server/shells/etcd/etcd-client.js';
import { put, remove } from '../../xds-server/shells/etcd/messages.js';
import { atEnd, stopEverything } from '../harness/ending.js';
import { Etcd } from '../harness/etcd.js';
import { Relay } from '../harness/relay.js';
import { waitUntil } from '../harness/wait-until.js';

after(stopEverything);

const prefix = '/test';
const leaderKey = leaderKeyOf(prefix);

const now = (): number => performance.now();
const leads = ({ leadership }: ElectionLoop): boolean =>
  leadership.kind === 'leader' && leadership.untilMs > now();

interface Voter {
  readonly election: ElectionLoop;
  readonly etcd: EtcdClient;
}

async function voter(
  brain: string,
  endpoints: readonly string[],
  { stands = true, host = brain, log = pino({ level: 'silent' }) } = {},
): Promise<Voter> {
  const etcd = new EtcdClient({ endpoints });
  const election = new ElectionLoop({
    ...{ etcd, prefix, brain, address: `${host}.test:18000`, stands, now, log },
  });
  await atEnd(async () => {
    election.stop();
    etcd.close();
  });
  return { election, etcd };
}

const untilLeader = ({ election }: Voter): Promise<unknown> => waitUntil('it leads', () => leads(election));

async function behind(etcd: Etcd): Promise<Relay> {
  const [host, port] = etcd.member.endpoint.split(':');
  return Relay.start({ host: host!, port: Number(port) });
}

test('of several brains one leads, and the others know who and where', async () => {
  const etcd = await Etcd.start();
  const a = await voter('a', etcd.endpoints);
  await untilLeader(a);
  const b = await voter('b', etcd.endpoints);
  await waitUntil('b follows', () => b.election.leadership.kind === 'follower');
  const { term } = a.election.leadership as Extract<Leadership, { kind: 'leader' }>;
  assert.deepEqual(b.election.leadership, { kind: 'follower', term, brain: 'a', address: 'a.test:18000' });
  const held = a.election.leadership as Extract<Leadership, { kind: 'leader' }>;
  assert.ok(held.untilMs - now() <= defaultElection.ttlMs * (1 - defaultElection.drift));
});

test('one that was given the id of the leader says so and where that is, and leads once that is gone', async () => {
  const etcd = await Etcd.start();
  const first = await voter('a', etcd.endpoints, { host: 'first' });
  await untilLeader(first);
  const said: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void said.push(line) });
  const second = await voter('a', etcd.endpoints, { host: 'second', log });
  await waitUntil('it knows', () => second.election.namesake);
  assert.equal(second.election.namesake, 'first.test:18000');
  assert.deepEqual(second.election.leadership, { kind: 'nobody' });
  assert.equal(first.election.namesake, undefined);
  const { msg, brain, address } = JSON.parse(said.at(-1)!);
  assert.match(msg, /^another process leads under the id of this brain/);
  assert.deepEqual([brain, address], ['a', 'first.test:18000']);
  await first.election.resign();
  await untilLeader(second);
  assert.equal(second.election.namesake, undefined);
});

test('one that does not stand looks on, also when nobody leads, and leads when it stands', async () => {
  const etcd = await Etcd.start();
  const a = await voter('a', etcd.endpoints, { stands: false });
  const b = await voter('b', etcd.endpoints);
  await untilLeader(b);
  await waitUntil('a follows', () => a.election.leadership.kind === 'follower');
  await b.election.resign();
  await waitUntil('a knows that nobody leads', () => a.election.leadership.kind === 'nobody');
  const { entry } = await a.etcd.read(leaderKey, 1_000);
  assert.equal(entry, undefined);
  a.election.stand();
  await untilLeader(a);
});

test('who gives leadership up hands it over at once, with a higher term', async () => {
  const etcd = await Etcd.start();
  const a = await voter('a', etcd.endpoints);
  await untilLeader(a);
  const before = a.election.leadership as Extract<Leadership, { kind: 'leader' }>;
  const b = await voter('b', etcd.endpoints);
  await waitUntil('b follows', () => b.election.leadership.kind === 'follower');
  const startedMs = now();
  await a.election.resign();
  assert.notEqual(a.election.leadership.kind, 'leader');
  await untilLeader(b);
  assert.ok(now() - startedMs < defaultElection.ttlMs / 2, `${now() - startedMs} ms`);
  const after = b.election.leadership as Extract<Leadership, { kind: 'leader' }>;
  assert.ok(after.term > before.term);
  await waitUntil('a follows', () => a.election.leadership.kind === 'follower');
});

test('a leader that is cut off from etcd goes on to the end of its term and no further, and another takes over after that', async () => {
  const etcd = await Etcd.start();
  const relay = await behind(etcd);
  const a = await voter('a', [`${relay.host}:${relay.port}`]);
  await untilLeader(a);
  const b = await voter('b', etcd.endpoints);
  await waitUntil('b follows', () => b.election.leadership.kind === 'follower');
  relay.cut();
  await waitUntil('a says what is wrong', () => a.election.trouble);
  assert.ok(leads(a.election), 'a leads on when etcd has only just gone');
  await waitUntil('the term of a is over', () => !leads(a.election));
  assert.ok(!leads(b.election), 'b leads before the term of a is known to be over');
  await untilLeader(b);
  assert.ok(!leads(a.election));
  relay.mend();
  await waitUntil('a follows b', () => a.election.leadership.kind === 'follower');
  // Its watch may be found cut off a moment later.
  await waitUntil('nothing is wrong any more', () => a.election.trouble === undefined);
});

test('when etcd comes back with the lease, the same term goes on; nobody has led meanwhile', async () => {
  const etcd = await Etcd.start();
  const a = await voter('a', etcd.endpoints);
  await untilLeader(a);
  const before = a.election.leadership as Extract<Leadership, { kind: 'leader' }>;
  await etcd.member.kill();
  await waitUntil('the term is over', () => !leads(a.election));
  assert.equal(a.election.leadership.kind, 'leader');
  await etcd.member.start();
  await untilLeader(a);
  assert.equal((a.election.leadership as typeof before).term, before.term);
});

test('a leader whose lease is taken away stops, and leads again under a new one', async () => {
  const etcd = await Etcd.start();
  const a = await voter('a', etcd.endpoints);
  await untilLeader(a);
  const before = a.election.leadership as Extract<Leadership, { kind: 'leader' }>;
  const { entry } = await a.etcd.read(leaderKey, 1_000);
  await a.etcd.leaseRevoke(entry!.lease, 1_000);
  await waitUntil('it leads by a new term', () => {
    const { leadership } = a.election;
    return leadership.kind === 'leader' && leadership.term > before.term;
  });
});

test('a key that was made over or removed by hand ends a leadership', async () => {
  const etcd = await Etcd.start();
  const a = await voter('a', etcd.endpoints);
  await untilLeader(a);
  await a.etcd.txn({ success: [put(leaderKey, Buffer.from('{"brain":"x","address":"x.test:1"}'))] }, 1_000);
  await waitUntil('a follows', () => a.election.leadership.kind === 'follower');
  await a.etcd.txn({ success: [remove(leaderKey)] }, 1_000);
  await untilLeader(a);
  await a.etcd.txn({ success: [put(leaderKey, Buffer.from('no JSON'))] }, 1_000);
  await waitUntil('a knows of nobody', () => a.election.leadership.kind === 'nobody');
});

test('while the member that leads etcd stands still, the leader of the brains stays', async () => {
  const etcd = await Etcd.start({ members: 3 });
  const a = await voter('a', etcd.endpoints);
  await untilLeader(a);
  const b = await voter('b', etcd.endpoints);
  await waitUntil('b follows', () => b.election.leadership.kind === 'follower');
  for (const member of etcd.members) {
    const leading = leads(a.election) ? a : b;
    const before = leading.election.leadership as Extract<Leadership, { kind: 'leader' }>;
    await member.pause();
    const pausedMs = now();
    await waitUntil('etcd has gone on without it', async () => {
      const { untilMs } = leading.election.leadership as typeof before;
      return untilMs > pausedMs + 4_000;
    });
    assert.equal((leading.election.leadership as typeof before).term, before.term);
    member.resume();
    await member.untilHealthy();
    // One that takes itself for etcd's leader still may take the lease for over, which ends the term.
    await waitUntil('one of the two leads', () => leads(a.election) || leads(b.election));
  }
});
