/** COPY of 16 MB; `make test-long` does 1 GB. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { stopEverything } from '../../harness/ending.js';
import { copyIn, copyOut } from './copy.js';
import { postgresSides } from './sides.js';

after(stopEverything);

test('COPY of 16 MB goes in and out through Sluice without a byte changed', {
  timeout: 120_000,
}, async () => {
  const { direct, through } = (await postgresSides(['orders'])).to('orders');
  const sent = await copyIn(through, 16);
  assert.equal(sent.bytes, 16 * 1024 * 1024);
  for (const way of [direct, through]) {
    const { bytes, sha256 } = await copyOut(way);
    assert.deepEqual({ bytes, sha256 }, { bytes: sent.bytes, sha256: sent.sha256 });
  }
});
