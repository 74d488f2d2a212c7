/**
 * The embedded store on a disk that loses whatever was not made durable: after each step of a write, at each byte of what
 * is being written, and with each of the names that were not made durable there or gone.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FragileDisk, PowerLost, type Remains } from '../../../test/harness/fragile-disk.js';
import { scratchFolder } from '../../../test/harness/scratch.js';
import { waitUntil } from '../../../test/harness/wait-until.js';
import { DirStore } from './dir-store.js';
import { type Disk, realDisk } from './disk.js';

const folder = '/store';
const bytes = (text: string): Buffer => Buffer.from(text);
const storeOn = (disk: FragileDisk): DirStore => new DirStore(folder, 1000, disk);

/** A disk with one accepted revision, and all of it durable. */
async function diskWithOld(guards?: ConstructorParameters<typeof FragileDisk>[0]): Promise<FragileDisk> {
  const disk = new FragileDisk(guards);
  assert.equal((await storeOn(disk).write(bytes('old'), 0)).kind, 'written');
  return disk.after({ bytes: 'all', names: 'all' });
}

interface Outcome {
  readonly steps: number;
  readonly isAccepted: boolean;
  /** What stands in the store afterwards, by how it was cut off. */
  readonly found: ReadonlySet<string>;
}

/** Power is lost at that step of a write; then everything that may remain of it is looked at. */
async function cutAt(step: number, guards?: ConstructorParameters<typeof FragileDisk>[0]): Promise<Outcome> {
  const disk = await diskWithOld(guards);
  disk.loseAt(step);
  let isAccepted = false;
  try {
    isAccepted = (await storeOn(disk).write(bytes('new'), 1)).kind === 'written';
  } catch (error) {
    assert.ok(disk.isLost, String(error));
  }
  const found = new Set<string>();
  for (const remains of disk.everythingThatMayRemain()) found.add(await stateAfter(disk, remains));
  return { steps: disk.steps, isAccepted, found };
}

async function stateAfter(disk: FragileDisk, remains: Remains): Promise<string> {
  const store = storeOn(disk.after(remains));
  try {
    const stored = await store.read();
    if (!stored) return 'nothing';
    const next = await store.write(bytes('next'), stored.revision);
    if (next.kind !== 'written') return `no next: ${JSON.stringify(next)}`;
    return `${stored.revision} ${Buffer.from(stored.bytes).toString()}`;
  } catch (error) {
    return String(error);
  }
}

async function everyCut(guards?: ConstructorParameters<typeof FragileDisk>[0]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let step = 1; ; step += 1) {
    const outcome = await cutAt(step, guards);
    outcomes.push(outcome);
    if (outcome.steps < step) return outcomes;
  }
}

function assertSafe(outcomes: readonly Outcome[]): void {
  for (const { isAccepted, found } of outcomes) {
    const allowed = isAccepted ? ['2 new'] : ['1 old', '2 new'];
    for (const state of found)
      assert.ok(allowed.includes(state), `${isAccepted ? 'accepted' : 'cut off'}: ${state}`);
  }
}

describe('power lost during a write', () => {
  test('leaves the old revision or the new one, and the new one for sure once it was accepted', async () => {
    const outcomes = await everyCut();
    assertSafe(outcomes);
    assert.ok(outcomes.at(-1)?.isAccepted, 'the last was not cut off');
    assert.ok(outcomes.length > 150, `${outcomes.length} places, each byte among them`);
    const seen = new Set(outcomes.flatMap(({ found }) => [...found]));
    assert.deepEqual([...seen].sort(), ['1 old', '2 new']);
  });

  for (const guard of ['file', 'folder'] as const)
    test(`is found to be unsafe when the ${guard} is not synced`, async () => {
      const outcomes = await everyCut({ withoutSyncOf: guard });
      assert.throws(() => assertSafe(outcomes));
    });
});

test('a write that fails for lack of room changes nothing and says so', async () => {
  const disk = await diskWithOld();
  disk.failAt(5, Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }));
  await assert.rejects(storeOn(disk).write(bytes('new'), 1), /not written: no space left/);
  assert.equal(Buffer.from((await storeOn(disk).read())!.bytes).toString(), 'old');
});

test('whatever fails in a write: what is said not to be written is not, and what is there is said', async () => {
  for (let step = 1; ; step += 1) {
    const disk = await diskWithOld();
    disk.failAt(step, Object.assign(new Error('input/output error'), { code: 'EIO' }));
    const said = await storeOn(disk)
      .write(bytes('new'), 1)
      .then(({ kind }) => kind)
      .catch((error: Error) => error.message);
    const isReached = disk.steps >= step;
    const left = await storeOn(disk.after({ bytes: 'all', names: 'all' })).read();
    const found = Buffer.from(left!.bytes).toString();
    assert.equal(found, /is written|^written/.test(said) ? 'new' : 'old', `step ${step}: ${said}`);
    if (!isReached) return;
  }
});

test('who follows reads again after an error that passes', { timeout: 20_000 }, async (t) => {
  const real = scratchFolder('store');
  await new DirStore(real, 1000).write(bytes('old'), 0);
  let failures = 1;
  const disk: Disk = {
    ...realDisk,
    async read(file, maxBytes) {
      if (failures-- > 0) return { kind: 'unreadable', expected: 'a readable file', found: 'error EMFILE' };
      return realDisk.read(file, maxBytes);
    },
  };
  const told: string[] = [];
  const followed = await new DirStore(real, 1000, disk).follow({
    changed: (stored) => void told.push(Buffer.from(stored!.bytes).toString()),
    trouble: (problem) => void told.push(problem?.replace(/.*found /, '') ?? 'well'),
  });
  t.after(() => followed.close());
  await waitUntil('it is read', () => told.includes('old'));
  assert.deepEqual(told, ['error EMFILE', 'well', 'old']);
});

test('a writer that slept while its revision came and went as old changes nothing', async () => {
  const disk = await diskWithOld();
  const sleeper = storeOn(disk);
  const asleep = disk.sleepBeforeLink();
  const sleeping = sleeper.write(bytes('from long ago'), 1);
  await asleep.reached;
  for (let revision = 1; revision <= 150; revision += 1)
    assert.equal((await storeOn(disk).write(bytes(`${revision}`), revision)).kind, 'written');
  asleep.wake();
  await assert.rejects(sleeping, /not known whether revision 2 was in force/);
  assert.equal(Buffer.from((await storeOn(disk).read())!.bytes).toString(), '150');
  assert.ok(!(await disk.names(folder)).includes('000000000002.yaml'));
});

test('the disk of these tests loses power as an error', async () => {
  const disk = await diskWithOld();
  disk.loseAt(1);
  await assert.rejects(disk.names(folder), PowerLost);
});
