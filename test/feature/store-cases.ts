/** What every store of specs must do, whatever it is made of: the embedded one and etcd pass the same cases. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import type { SpecStore, StoredSpec } from '../../xds-server/pure/store/spec-store.js';
import { Child } from '../harness/child.js';
import { atEnd } from '../harness/ending.js';
import { scratchFolder } from '../harness/scratch.js';
import { waitUntil } from '../harness/wait-until.js';

export interface StoreUnderTest {
  /** Of a store that nobody has used yet, as `--store` takes it. */
  fresh(): Promise<string>;
  open(name: string): SpecStore;
}

const bytes = (text: string): Buffer => Buffer.from(text);
const textOf = (stored: StoredSpec | undefined): string | undefined =>
  stored && Buffer.from(stored.bytes).toString();

export class Followed {
  readonly texts: (string | undefined)[] = [];
  readonly revisions: (number | undefined)[] = [];
  readonly troubles: (string | undefined)[] = [];

  static async of(store: SpecStore): Promise<Followed> {
    const followed = new Followed();
    const following = await store.follow({
      changed(stored) {
        followed.texts.push(textOf(stored));
        followed.revisions.push(stored?.revision);
      },
      trouble: (problem) => followed.troubles.push(problem),
    });
    await atEnd(async () => following.close());
    return followed;
  }

  async until(text: string): Promise<void> {
    await waitUntil(`${text} is told`, () => this.texts.at(-1) === text);
  }
}

export async function write(store: SpecStore, text: string, expected: number): Promise<number> {
  const written = await store.write(bytes(text), expected);
  assert.equal(written.kind, 'written');
  return written.kind === 'written' ? written.revision : 0;
}

export interface Writer {
  readonly child: Child;
  /** What it was told that it is accepted, in order. */
  accepted(): (readonly [revision: number, value: number])[];
}

/** A process that adds one to the number in the store, so many times. */
export async function startWriter(store: string, times: number): Promise<Writer> {
  const stdoutFile = path.join(scratchFolder('writer'), 'out');
  const program = path.resolve(import.meta.dirname, '../harness/store-writer.ts');
  const child = await Child.start({
    title: 'writer',
    command: process.execPath,
    args: ['--import', import.meta.resolve('tsx'), program, store, String(times)],
    logFile: `${stdoutFile}.log`,
    stdoutFile,
  });
  return { child, accepted: () => acceptedIn(stdoutFile) };
}

function acceptedIn(file: string): (readonly [revision: number, value: number])[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [revision, value] = line.split(' ').map(Number);
      return [revision!, value!] as const;
    });
}

export function storeCases(what: string, under: () => StoreUnderTest): void {
  describe(what, () => {
    const fresh = async (): Promise<SpecStore> => {
      const store = under().open(await under().fresh());
      await atEnd(async () => store.close());
      return store;
    };

    test('is empty until somebody writes, and then holds what he wrote, byte for byte', async () => {
      const store = await fresh();
      assert.equal(await store.read(), undefined);
      const text = '\ufeffä: "\r\n\0"\n';
      const revision = await write(store, text, 0);
      const stored = await store.read();
      assert.deepEqual([stored?.revision, textOf(stored)], [revision, text]);
    });

    test('takes a change of the revision that is there, and of no other', async () => {
      const store = await fresh();
      const first = await write(store, '1', 0);
      assert.deepEqual(await store.write(bytes('x'), 0), { kind: 'conflict', found: first });
      assert.deepEqual(await store.write(bytes('x'), first + 7), { kind: 'conflict', found: first });
      const second = await write(store, '2', first);
      assert.ok(second > first);
      assert.deepEqual(await store.write(bytes('x'), first), { kind: 'conflict', found: second });
      assert.equal(textOf(await store.read()), '2');
    });

    test('an empty store can not be changed from a revision that it never had', async () => {
      const store = await fresh();
      assert.deepEqual(await store.write(bytes('x'), 3), { kind: 'conflict', found: 0 });
      assert.equal(await store.read(), undefined);
    });

    test('of several who change one revision at the same moment one wins', async () => {
      const name = await under().fresh();
      const stores = Array.from({ length: 8 }, () => under().open(name));
      let revision = 0;
      for (let round = 0; round < 10; round += 1) {
        const answers = await Promise.all(
          stores.map((store, index) => store.write(bytes(`${round}/${index}`), revision)),
        );
        const winners = answers.flatMap((answer, index) => (answer.kind === 'written' ? [index] : []));
        assert.equal(winners.length, 1, JSON.stringify(answers));
        const stored = await stores[0]!.read();
        assert.equal(textOf(stored), `${round}/${winners[0]}`);
        revision = stored!.revision;
        for (const answer of answers)
          if (answer.kind === 'conflict') assert.equal(answer.found, revision, 'the loser is told who won');
      }
      for (const store of stores) store.close();
    });

    test('processes that race lose nothing and mix nothing', { timeout: 120_000 }, async () => {
      const name = await under().fresh();
      const times = 12;
      const writers = await Promise.all(Array.from({ length: 4 }, () => startWriter(name, times)));
      for (const { child } of writers) assert.equal((await child.exited).code, 0, child.log);
      const accepted = writers.flatMap((writer) => writer.accepted()).sort(([a], [b]) => a - b);
      // Each revision has one writer, and each number follows the one before: nobody has overwritten what he had not seen.
      assert.equal(new Set(accepted.map(([revision]) => revision)).size, accepted.length);
      assert.deepEqual(
        accepted.map(([, value]) => value),
        Array.from({ length: 4 * times }, (_, index) => index + 1),
      );
      const store = under().open(name);
      const last = await store.read();
      assert.deepEqual([last?.revision, Number(textOf(last))], [accepted.at(-1)![0], 4 * times]);
      store.close();
    });

    test('a writer that is killed at any moment leaves the old or the new, and what it was told stays', {
      timeout: 180_000,
    }, async () => {
      const name = await under().fresh();
      const store = under().open(name);
      let before = 0;
      for (let round = 0; round < 3; round += 1) {
        const writer = await startWriter(name, 1_000_000);
        // Killed in mid-work, each time at another place of it.
        await waitUntil('it has written', () => writer.accepted().length > 3 + round * 5);
        await writer.child.kill();
        const accepted = writer.accepted().at(-1)!;
        const stored = await store.read();
        const value = Number(textOf(stored));
        assert.equal(textOf(stored)!.length, 5000);
        assert.ok(value === accepted[1] || value === accepted[1] + 1, `${value} after ${accepted[1]}`);
        assert.ok(value > before);
        before = value;
      }
      await write(store, 'goes on', (await store.read())!.revision);
      store.close();
    });

    test('who follows is told what there is, and each state that lasts', async () => {
      const name = await under().fresh();
      const [writer, reader] = [under().open(name), under().open(name)];
      const followed = await Followed.of(reader);
      assert.deepEqual(followed.texts, [undefined]);
      let revision = 0;
      for (const text of ['one', 'two', 'three']) {
        revision = await write(writer, text, revision);
        await followed.until(text);
        assert.equal(followed.revisions.at(-1), revision);
      }
      for (let number = 0; number < 50; number += 1)
        revision = await write(writer, `fast ${number}`, revision);
      await followed.until('fast 49');
      const late = await Followed.of(under().open(name));
      assert.deepEqual([late.texts, late.revisions], [['fast 49'], [revision]]);
      const told = followed.revisions.map((each) => each ?? 0);
      assert.deepEqual(
        told,
        [...told].sort((a, b) => a - b),
        'never back to an older one',
      );
      assert.deepEqual(followed.troubles, []);
    });
  });
}
