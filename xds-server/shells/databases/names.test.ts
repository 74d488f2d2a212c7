import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Names } from './names.js';

const never = new Promise<never>(() => undefined);

function names(resolve: (name: string) => Promise<readonly string[]>) {
  const asked: string[] = [];
  let nowMs = 0;
  const known = new Names(
    () => nowMs,
    (name) => {
      asked.push(name);
      return resolve(name);
    },
  );
  return {
    ...{ known, asked },
    skip: (ms: number) => {
      nowMs += ms;
    },
  };
}

test('a name has the addresses that this machine knows of', async () => {
  assert.ok((await new Names(() => 0).addressesOf('localhost')).includes('127.0.0.1'));
});

test('a name that is asked for often is looked up once a second', async () => {
  const { known, asked, skip } = names(async () => ['10.0.0.5']);
  for (const ms of [0, 0, 999]) {
    skip(ms);
    assert.deepEqual(await known.addressesOf('a.internal'), ['10.0.0.5']);
  }
  assert.deepEqual(asked, ['a.internal']);
  skip(1);
  await known.addressesOf('a.internal');
  await known.addressesOf('b.internal');
  assert.deepEqual(asked, ['a.internal', 'a.internal', 'b.internal']);
});

test('a name that nobody knows has no addresses', async () => {
  const { known } = names(() => Promise.reject(new Error('ENOTFOUND')));
  assert.deepEqual(await known.addressesOf('nobody.internal'), []);
});

test('a resolver that does not answer is not waited for, and not asked the same again meanwhile', async () => {
  const { known, asked, skip } = names(() => never);
  assert.deepEqual(await known.addressesOf('a.internal'), []);
  skip(60_000);
  assert.deepEqual(await known.addressesOf('a.internal'), []);
  assert.deepEqual(asked, ['a.internal']);
});
