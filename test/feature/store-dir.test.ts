/** The embedded store. What a crash of the machine may leave is in xds-server/shells/store/dir-store.test.ts. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import type { SpecStore } from '../../xds-server/pure/store/spec-store.js';
import { parseStoreAddress } from '../../xds-server/pure/store/store-address.js';
import { openStore } from '../../xds-server/shells/store/open-store.js';
import { stopEverything } from '../harness/ending.js';
import { scratchFolder } from '../harness/scratch.js';
import { waitUntil } from '../harness/wait-until.js';
import { Followed, storeCases, write } from './store-cases.js';

after(stopEverything);

const open = (name: string): SpecStore => {
  const address = parseStoreAddress(name);
  assert.ok(typeof address !== 'string');
  return openStore({ address, etcdTls: undefined, etcdPrefix: '/sluice' });
};

storeCases('the embedded store', () => ({
  fresh: async () => `dir:${path.join(scratchFolder('store'), 'new', 'store')}`,
  open,
}));

async function withTwo(): Promise<{ folder: string; store: SpecStore; newest: string }> {
  const folder = scratchFolder('store');
  const store = open(`dir:${folder}`);
  await write(store, 'listeners: {}\n', await write(store, 'old\n', 0));
  return { folder, store, newest: path.join(folder, '000000000002.yaml') };
}

test('a revision is a file that can be read as a spec', async () => {
  const { newest } = await withTwo();
  assert.match(
    readFileSync(newest, 'utf8'),
    /^# sluice revision 2 after [0-9a-f]{64}, 14 bytes, sha256 [0-9a-f]{64}\nlisteners: \{\}\n$/,
  );
});

test('a newest file that is cut off, at whatever byte, or has any other byte, is told and never taken', async () => {
  const { store, newest } = await withTwo();
  const whole = readFileSync(newest);
  for (let length = 0; length < whole.length; length += 1) {
    writeFileSync(newest, whole.subarray(0, length));
    await assert.rejects(store.read(), /000000000002\.yaml: expected/, `${length} bytes`);
  }
  for (let at = 0; at < whole.length; at += 1) {
    const other = Buffer.from(whole);
    other[at]! ^= 1;
    writeFileSync(newest, other);
    await assert.rejects(store.read(), /000000000002\.yaml: expected/, `byte ${at}`);
  }
  await assert.rejects(store.write(Buffer.from('x'), 2), /000000000002\.yaml: expected/);
  writeFileSync(newest, whole);
  assert.equal((await store.read())?.revision, 2);
});

test('a file of a stranger, or of another revision, is told and never taken', async () => {
  const { folder, store, newest } = await withTwo();
  writeFileSync(path.join(folder, '000000000003.yaml'), 'listeners: {}\n');
  await assert.rejects(
    store.read(),
    /000000000003\.yaml: expected a file that `sluice apply` wrote, found another; where it is moved away/,
  );
  writeFileSync(path.join(folder, '000000000003.yaml'), readFileSync(newest));
  await assert.rejects(store.read(), /expected revision 3, found 2/);
  rmSync(path.join(folder, '000000000003.yaml'));
  mkdirSync(path.join(folder, '000000000003.yaml'));
  await assert.rejects(store.read(), /expected a regular file, found a folder/);
});

test('who follows is told of what is not to be trusted, and when it is well again', async () => {
  const { store, newest } = await withTwo();
  const followed = await Followed.of(store);
  const whole = readFileSync(newest);
  writeFileSync(newest, whole.subarray(0, 60));
  await waitUntil('the trouble is told', () => followed.troubles.at(-1)?.includes('000000000002.yaml'));
  writeFileSync(newest, whole);
  await waitUntil('its end is told', () => followed.troubles.at(-1) === undefined);
  assert.deepEqual(followed.texts, ['listeners: {}\n']);
});

test('of old revisions a hundred are kept, and nothing else is left behind', {
  timeout: 60_000,
}, async () => {
  const folder = scratchFolder('store');
  const store = open(`dir:${folder}`);
  for (let revision = 0; revision < 130; revision += 1) await write(store, `${revision}`, revision);
  const names = readdirSync(folder).sort();
  assert.equal(names.at(-1), '000000000130.yaml');
  assert.ok(names.length <= 102, `${names.length}`);
  assert.ok(names.every((name) => name.endsWith('.yaml')));
});

test('a folder that is none is told', async () => {
  const file = path.join(scratchFolder('store'), 'file');
  writeFileSync(file, '');
  const store = open(`dir:${file}`);
  await assert.rejects(store.read(), /expected a readable folder/);
  await assert.rejects(store.write(Buffer.from('x'), 0), /not written/);
});
