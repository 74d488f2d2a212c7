import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { scratchFolder } from '../../../test/harness/scratch.js';
import { readBounded } from './read-bounded.js';

test('a file of exactly the bound is read whole, one byte more is not', async () => {
  const file = join(scratchFolder('read'), 'file');
  writeFileSync(file, 'x'.repeat(100));
  const read = await readBounded(file, 100);
  assert.equal(read.kind === 'read' && Buffer.from(read.bytes).toString(), 'x'.repeat(100));
  assert.deepEqual(await readBounded(file, 99), {
    kind: 'unreadable',
    expected: 'at most 99 bytes',
    found: '100 bytes',
  });
});

test('what is no file is not read, and a pipe without a writer holds nobody', async () => {
  const folder = scratchFolder('read');
  mkdirSync(join(folder, 'folder'));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  const found = async (name: string) => {
    const read = await readBounded(join(folder, name), 100);
    return read.kind === 'unreadable' && read.found;
  };
  assert.equal(await found('folder'), 'a folder');
  assert.equal(await found('pipe'), 'something else');
  assert.equal(await found('none'), 'none');
});

test('a read that fails may pass; what is not there, or leads nowhere, stays as it is', async (t) => {
  const folder = scratchFolder('read');
  const file = join(folder, 'file');
  writeFileSync(file, 'x');
  symlinkSync('loop', join(folder, 'loop'));
  const mayPass = async (...names: string[]) => {
    const read = await readBounded(join(folder, ...names), 100);
    assert.equal(read.kind, 'unreadable');
    return read.mayPass ?? false;
  };
  for (const names of [['none'], ['file', 'below'], ['loop'], ['x'.repeat(256)], ['.']])
    assert.equal(await mayPass(...names), false, names.join('/'));
  const handle = await open(file);
  const error = Object.assign(new Error('a disk'), { code: 'EIO' });
  mock.method(Object.getPrototypeOf(handle), 'read', () => Promise.reject(error));
  t.after(() => mock.restoreAll());
  await handle.close();
  assert.equal(await mayPass('file'), true);
});
