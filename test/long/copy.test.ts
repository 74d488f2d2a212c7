/** COPY of 1 GB, and what it takes compared with the direct connection. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { type Copied, copyIn, copyOut } from '../e2e/workloads/copy.js';
import { postgresSides, type Sides } from '../e2e/workloads/sides.js';
import { stopEverything } from '../harness/ending.js';
import type { Postgres } from '../harness/postgres.js';

let sides: Sides<Postgres>;
before(async () => {
  sides = await postgresSides(['orders']);
});
after(stopEverything);

const megabytes = 1024;
const rate = ({ bytes, ms }: Copied) => `${((bytes / 1e6 / ms) * 1000).toFixed(0)} MB/s`;

test('COPY of 1 GB goes in and out without a byte changed', { timeout: 900_000 }, async (t) => {
  const { direct, through } = sides.to('orders');
  const plain = await copyIn(direct, megabytes);
  const sent = await copyIn(through, megabytes);
  assert.equal(sent.bytes, 2 ** 30);
  assert.equal(sent.sha256, plain.sha256);
  t.diagnostic(`in: ${rate(sent)} through Sluice with TLS, ${rate(plain)} direct in clear`);
  const [read, expected] = [await copyOut(through), await copyOut(direct)];
  t.diagnostic(`out: ${rate(read)} through Sluice with TLS, ${rate(expected)} direct in clear`);
  for (const { bytes, sha256 } of [read, expected]) {
    assert.deepEqual({ bytes, sha256 }, { bytes: sent.bytes, sha256: sent.sha256 });
  }
});

test('the node has not grown by what passed through it', async () => {
  const status = await readFile(`/proc/${sides.sluice.envoy.pid}/status`, 'utf8');
  const [, peakKiB] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
  assert.ok(Number(peakKiB) < 400_000, `at most ${peakKiB} KiB resident`);
});
