/** The store in etcd: the cases of every store, and what only etcd can do to it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { SpecStore } from '../../xds-server/pure/store/spec-store.js';
import { parseStoreAddress } from '../../xds-server/pure/store/store-address.js';
import { EtcdClient } from '../../xds-server/shells/etcd/etcd-client.js';
import { put, remove } from '../../xds-server/shells/etcd/messages.js';
import { openStore } from '../../xds-server/shells/store/open-store.js';
import { Certificates } from '../harness/certificates.js';
import { atEnd, stopEverything } from '../harness/ending.js';
import { Etcd } from '../harness/etcd.js';
import { waitUntil } from '../harness/wait-until.js';
import { Followed, startWriter, storeCases, write } from './store-cases.js';

after(stopEverything);

const key = '/sluice/spec';

function open(name: string): SpecStore {
  const address = parseStoreAddress(name);
  assert.ok(typeof address !== 'string');
  const store = openStore({ address, etcdTls: undefined, etcdPrefix: '/sluice' });
  void atEnd(async () => store.close());
  return store;
}

let etcd: Etcd;
let admin: EtcdClient;

/** One etcd for the file: an empty store for each test. */
async function empty(): Promise<string> {
  await admin.txn({ success: [remove(key), remove(`${key}-writer`)] }, 5000);
  return `etcd:${etcd.urls}`;
}

before(async () => {
  etcd = await Etcd.start();
  admin = new EtcdClient({ endpoints: etcd.endpoints });
});
after(() => admin.close());

storeCases('the store in etcd', () => ({ fresh: empty, open }));

describe('etcd, while a store is followed', () => {
  let writer: SpecStore;
  let reader: SpecStore;
  let followed: Followed;
  let revision: number;
  before(async () => {
    const name = await empty();
    [writer, reader] = [open(name), open(name)];
    revision = await write(writer, 'first', 0);
    followed = await Followed.of(reader);
  });

  test('is compacted: what was read before is told no more, what comes is', async () => {
    for (const text of ['second', 'third']) revision = await write(writer, text, revision);
    await followed.until('third');
    await etcd.member.compact(revision);
    revision = await write(writer, 'after the compaction', revision);
    await followed.until('after the compaction');
    assert.deepEqual(followed.troubles, []);
  });

  test('is killed and comes back: its loss and its return are told, and nothing is lost', async () => {
    await etcd.member.kill();
    await waitUntil('the loss is told', () => followed.troubles.at(-1) !== undefined);
    const told = followed.texts.length;
    await etcd.member.start();
    await waitUntil('the return is told', () => followed.troubles.at(-1) === undefined);
    assert.equal(followed.texts.length, told, 'what was told before is not told again');
    revision = await write(writer, 'after the kill', revision);
    await followed.until('after the kill');
  });

  test('is stopped, as by SIGSTOP, and goes on', async () => {
    await etcd.member.pause();
    try {
      await waitUntil('the silence is told', () => followed.troubles.at(-1)?.includes('no answer'));
    } finally {
      etcd.member.resume();
    }
    await waitUntil('the return is told', () => followed.troubles.at(-1) === undefined);
    revision = await write(writer, 'after the silence', revision);
    await followed.until('after the silence');
  });

  test('is changed while nobody could look, and its history of that is gone', async () => {
    await etcd.member.pause();
    await waitUntil('the silence is told', () => followed.troubles.at(-1) !== undefined);
    etcd.member.resume();
    for (const text of ['x', 'y', 'unseen'])
      revision = Number((await admin.txn({ success: [put(key, Buffer.from(text))] }, 5000)).header?.revision);
    await etcd.member.compact(revision);
    await followed.until('unseen');
    assert.equal(followed.revisions.at(-1), revision);
  });

  test('loses the key: that is told, and so is the next one', async () => {
    await admin.txn({ success: [remove(key)] }, 5000);
    await waitUntil('it is told', () => followed.texts.at(-1) === undefined);
    revision = await write(writer, 'anew', 0);
    await followed.until('anew');
  });
});

test('an etcd that begins anew, with lower revisions, is followed all the same', {
  timeout: 60_000,
}, async () => {
  const own = await Etcd.start();
  const name = `etcd:${own.urls}`;
  const writer = open(name);
  let revision = 0;
  for (const text of ['a', 'b', 'c', 'd']) revision = await write(writer, text, revision);
  const followed = await Followed.of(open(name));
  assert.deepEqual(followed.texts, ['d']);
  await own.member.kill();
  own.member.forgetEverything();
  await own.member.start();
  const lower = await write(writer, 'anew', 0);
  assert.ok(lower < revision);
  await followed.until('anew');
  assert.equal(followed.revisions.at(-1), lower);
  await write(writer, 'and on', lower);
  await followed.until('and on');
  await own.stop();
});

test('with TLS, and below a prefix of its own, a store is another one than its neighbour', async () => {
  const authority = await Certificates.create();
  const certificate = await authority.server(Etcd.host);
  const client = await authority.client('spiffe://sluice.test/brain/a');
  const own = await Etcd.start({ tls: { certificate, clientCa: authority.ca } });
  const address = parseStoreAddress(`etcd:${own.urls}`);
  assert.ok(typeof address !== 'string');
  const etcdTls = { ca: authority.ca, certificate: client.chain, key: client.key };
  const [one, other] = ['/one', '/other'].map((etcdPrefix) => openStore({ address, etcdTls, etcdPrefix }));
  await write(one!, 'of one', 0);
  assert.equal(await other!.read(), undefined);
  assert.equal(Buffer.from((await one!.read())!.bytes).toString(), 'of one');
  const nobody = openStore({ address, etcdTls: { ca: authority.ca }, etcdPrefix: '/one' });
  await assert.rejects(nobody.read(), /etcd: /);
  for (const store of [one!, other!, nobody]) store.close();
  await own.stop();
});

test('a change that was under way when etcd stopped is written once, and the writer knows', async () => {
  const store = open(await empty());
  const revision = await write(store, 'before', 0);
  await etcd.member.pause();
  const pending = store.write(Buffer.from('during'), revision);
  // Longer than a call may take, so that it is sent again; the first may be carried out all the same.
  const reader = open(`etcd:${etcd.urls}`);
  await assert.rejects(reader.read(), /no answer within 2000 ms/);
  etcd.member.resume();
  const written = await pending;
  assert.equal(written.kind, 'written', JSON.stringify(written));
  assert.equal(Buffer.from((await store.read())!.bytes).toString(), 'during');
});

test('etcd that is killed in mid-write keeps all that it has accepted', { timeout: 120_000 }, async () => {
  const name = await empty();
  const store = open(name);
  const writer = await startWriter(name, 1_000_000);
  for (let round = 1; round <= 2; round += 1) {
    const enough = writer.accepted().length + 20;
    await waitUntil('it writes', () => writer.accepted().length > enough);
    await etcd.member.kill();
    await etcd.member.start();
    const last = writer.accepted().at(-1)!;
    const stored = await waitUntil('etcd answers', () => store.read().catch(() => undefined));
    assert.ok(Number(Buffer.from(stored.bytes).toString()) >= last[1]);
  }
  await writer.child.kill();
  const values = writer.accepted().map(([, value]) => value);
  assert.deepEqual(
    values,
    values.map((_, index) => index + 1),
    'a write without an answer was not made twice',
  );
});

test('a spec that is too large for etcd is refused in words', async () => {
  const store = open(await empty());
  await assert.rejects(store.write(Buffer.alloc(1_600_000, 'x'), 0), /not written: .*too large/);
});

test('of three members one may be stopped: the store is read, written and followed', {
  timeout: 90_000,
}, async () => {
  const three = await Etcd.start({ members: 3 });
  const store = open(`etcd:${three.urls}`);
  const followed = await Followed.of(open(`etcd:${three.urls}`));
  const revision = await write(store, 'whole', 0);
  await followed.until('whole');
  three.members[0]!.pause();
  await write(store, 'without one', revision);
  await followed.until('without one');
  three.members[0]!.resume();
  await three.stop();
});
