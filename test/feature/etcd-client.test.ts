/** The client of etcd against a real one: what it answers, how long it waits, where it turns to. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { EtcdClient } from '../../xds-server/shells/etcd/etcd-client.js';
import { EtcdError } from '../../xds-server/shells/etcd/etcd-error.js';
import { createdAt, get, lastWrittenAt, put, remove } from '../../xds-server/shells/etcd/messages.js';
import type { Change, WatchEnd } from '../../xds-server/shells/etcd/watch.js';
import { Certificates } from '../harness/certificates.js';
import { stopEverything } from '../harness/ending.js';
import { Etcd } from '../harness/etcd.js';
import { waitUntil } from '../harness/wait-until.js';

const soonMs = 5000;
const text = (value: string): Buffer => Buffer.from(value);

after(stopEverything);

function follow(client: EtcdClient, key: string, fromRevision: number) {
  const changes: Change[] = [];
  const ends: WatchEnd[] = [];
  const watch = client.watch(key, fromRevision, {
    changed: (change) => changes.push(change),
    ended: (reason) => ends.push(reason),
  });
  return { watch, changes, ends };
}

/** Of this process. */
const openSockets = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;

describe('one member', () => {
  let etcd: Etcd;
  let client: EtcdClient;
  before(async () => {
    etcd = await Etcd.start();
    client = new EtcdClient({ endpoints: etcd.endpoints });
  });
  after(() => client.close());

  const write = async (key: string, value: string): Promise<number> => {
    const done = await client.txn({ success: [put(key, text(value))] }, soonMs);
    return Number(done.header?.revision);
  };

  test('a key that nobody wrote is not there; one that was written is what was written', async () => {
    assert.equal((await client.read('absent', soonMs)).entry, undefined);
    const revision = await write('here', 'ä\0b');
    const { entry } = await client.read('here', soonMs);
    assert.deepEqual([entry?.value.toString(), entry?.modRevision], ['ä\0b', revision]);
  });

  test('a transaction is carried out when what it compares holds, and otherwise not', async () => {
    const first = await client.txn(
      { compare: [lastWrittenAt('cas', 0)], success: [put('cas', text('1'))], failure: [get('cas')] },
      soonMs,
    );
    assert.ok(first.succeeded);
    const second = await client.txn(
      { compare: [createdAt('cas', 0)], success: [put('cas', text('2'))], failure: [get('cas')] },
      soonMs,
    );
    assert.ok(!second.succeeded);
    const [found] = second.responses?.[0]?.response_range?.kvs ?? [];
    assert.equal(Buffer.from(found!.value!).toString(), '1');
  });

  test('a key under a lease goes with it, and the lease is renewed once for each call', async () => {
    const lease = await client.leaseGrant(2000, soonMs);
    assert.ok(lease.ttlMs >= 2000);
    await client.txn({ success: [put('leased', text('x'), lease.id)] }, soonMs);
    assert.equal((await client.read('leased', soonMs)).entry?.lease, lease.id);
    assert.equal(await client.leaseKeepAlive(lease.id, soonMs), lease.ttlMs);
    await client.leaseRevoke(lease.id, soonMs);
    assert.equal((await client.read('leased', soonMs)).entry, undefined);
    assert.equal(await client.leaseKeepAlive(lease.id, soonMs), undefined);
    await client.leaseRevoke(lease.id, soonMs);
  });

  test('a lease that is not renewed ends, and its key with it', async () => {
    const lease = await client.leaseGrant(1000, soonMs);
    await client.txn({ success: [put('fading', text('x'), lease.id)] }, soonMs);
    await waitUntil('the key is gone', async () => !(await client.read('fading', soonMs)).entry);
  });

  test('a watch tells each change of its key from its revision on, a removal among them', async () => {
    const first = await write('watched', '1');
    await write('watched', '2');
    const { watch, changes } = follow(client, 'watched', first);
    await write('other', 'x');
    await client.txn({ success: [remove('watched')] }, soonMs);
    await waitUntil('all three are told', () => changes.length === 3);
    assert.deepEqual(
      changes.map(({ entry }) => entry?.value.toString()),
      ['1', '2', undefined],
    );
    watch.close();
  });

  test('a watch of what is compacted ends and says so', async () => {
    const first = await write('old', '1');
    const last = await write('old', '2');
    await etcd.member.compact(last);
    const { ends } = follow(client, 'old', first);
    const end = await waitUntil('the watch ends', () => ends[0]);
    assert.deepEqual(end, { kind: 'compacted', revision: last });
  });

  test('a quiet watch lives on', async () => {
    const { watch, ends, changes } = follow(client, 'quiet', 0);
    const heard = await waitUntil('longer than silence may last', () => watch.heard > 4);
    assert.ok(heard);
    assert.deepEqual(ends, []);
    await write('quiet', '1');
    await waitUntil('it is told', () => changes.length === 1);
    watch.close();
  });

  test('a request that etcd refuses is told as such', async () => {
    await assert.rejects(
      client.txn({ success: [put('large', Buffer.alloc(2 * 1024 * 1024))] }, soonMs),
      (error: EtcdError) => error.kind === 'refused' && /larger than max|too large/.test(error.message),
    );
  });

  test('a stopped member: calls end in time, a watch is lost, and both work again when it goes on', async () => {
    const { ends } = follow(client, 'here', 0);
    await client.read('here', soonMs);
    const sockets = openSockets();
    await etcd.member.pause();
    try {
      const started = performance.now();
      await assert.rejects(client.read('here', 300), (error: EtcdError) => error.kind === 'timeout');
      await assert.rejects(client.leaseKeepAlive('1', 300), (error: EtcdError) => error.kind === 'timeout');
      assert.ok(performance.now() - started < 3000);
      for (let call = 0; call < 20; call += 1) await client.read('here', 20).catch(() => undefined);
      assert.ok(openSockets() <= sockets, 'no call leaves a connection behind');
      const end = await waitUntil('the watch ends', () => ends[0]);
      assert.equal(end.kind, 'lost');
    } finally {
      etcd.member.resume();
    }
    await waitUntil(
      'it answers',
      async () => (await client.read('here', 1000).catch(() => undefined))?.entry,
    );
  });

  test('a killed member: calls end at once, and what was written is there when it is back', async () => {
    const revision = await write('kept', 'yes');
    await etcd.member.kill();
    await assert.rejects(client.read('kept', soonMs), (error: EtcdError) => error.kind === 'unavailable');
    await etcd.member.start();
    const { entry } = await waitUntil('it answers', () => client.read('kept', 1000).catch(() => undefined));
    assert.deepEqual([entry?.value.toString(), entry?.modRevision], ['yes', revision]);
  });

  test('a closed client answers nothing', async () => {
    const other = new EtcdClient({ endpoints: etcd.endpoints });
    const pending = other.read('here', soonMs);
    other.close();
    await assert.rejects(pending, EtcdError);
    await assert.rejects(other.read('here', soonMs), EtcdError);
  });
});

describe('three members', () => {
  test('one of them is stopped, another killed: the next call goes elsewhere', async () => {
    const etcd = await Etcd.start({ members: 3 });
    const client = new EtcdClient({ endpoints: etcd.endpoints });
    await client.txn({ success: [put('k', text('v'))] }, soonMs);
    await etcd.members[0]!.pause();
    await assert.rejects(client.read('k', 300), (error: EtcdError) => error.kind === 'timeout');
    // It may have led: the others choose a new leader meanwhile.
    const value = await waitUntil('another answers', async () => {
      const answer = await client.read('k', 1000).catch(() => undefined);
      return answer?.entry?.value.toString();
    });
    assert.equal(value, 'v');
    etcd.members[0]!.resume();
    await etcd.members[1]!.kill();
    await waitUntil('a third answers', () => client.read('k', 1000).catch(() => undefined));
    client.close();
    await etcd.stop();
  });
});

describe('with TLS', () => {
  test('both ends show who they are; a client without a certificate is turned away', async () => {
    const authority = await Certificates.create();
    const [server, own] = [
      await authority.server(...[Etcd.host, 'localhost']),
      await authority.client('spiffe://sluice.test/brain/a'),
    ];
    const etcd = await Etcd.start({ tls: { certificate: server, clientCa: authority.ca } });
    const ca = readFileSync(authority.ca);
    const client = new EtcdClient({
      endpoints: etcd.endpoints,
      credentials: () => ({ ca, certificate: readFileSync(own.chain), key: readFileSync(own.key) }),
    });
    await client.txn({ success: [put('k', text('v'))] }, soonMs);
    assert.equal((await client.read('k', soonMs)).entry?.value.toString(), 'v');
    client.close();

    const nobody = new EtcdClient({ endpoints: etcd.endpoints, credentials: () => ({ ca }) });
    await assert.rejects(nobody.read('k', 1000), EtcdError);
    nobody.close();

    const ofOthers = await Etcd.start({
      tls: { certificate: await authority.server('127.0.0.1', 'other.test') },
    });
    const misled = new EtcdClient({ endpoints: ofOthers.endpoints, credentials: () => ({ ca }) });
    await assert.rejects(misled.read('k', 1000), /is not in the cert|not match/);
    misled.close();

    const stranger = new EtcdClient({
      endpoints: etcd.endpoints,
      credentials: () => ({ ca: readFileSync(own.chain) }),
    });
    await assert.rejects(stranger.read('k', 1000), EtcdError);
    stranger.close();
  });

  test('files of credentials that can not be read are told, and are read again for the next call', async () => {
    const etcd = await Etcd.start();
    let isThere = false;
    const client = new EtcdClient({
      endpoints: etcd.endpoints,
      credentials: () => {
        if (!isThere) throw new Error('no such file');
        return { ca: Buffer.from('') };
      },
    });
    await assert.rejects(client.read('k', 1000), /no such file/);
    isThere = true;
    await assert.rejects(client.read('k', 1000), (error: Error) => !/no such file/.test(error.message));
    client.close();
  });
});
