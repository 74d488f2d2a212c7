import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { scratchFolder } from '../../../test/harness/scratch.js';
import { waitUntil } from '../../../test/harness/wait-until.js';
import { FileWatch } from './file-watch.js';

/** Follows one file and counts the calls; the watch is put right after each, as its user does. */
function follow(file: string) {
  const seen = { looks: 0 };
  const watch = new FileWatch(() => {
    seen.looks += 1;
    watch.follow([file]);
  });
  watch.follow([file]);
  return { seen, watch };
}

/** Each of these changes what a path means, and must be noticed at once, long before the glance each second would. */
const changes: Record<string, (folder: string) => { file: string; change: () => void; again?: () => void }> =
  {
    'a write in place': (folder) => {
      const file = join(folder, 'spec.yaml');
      writeFileSync(file, 'a');
      return { file, change: () => writeFileSync(file, 'b'), again: () => writeFileSync(file, 'c') };
    },
    'another file renamed over it': (folder) => {
      const file = join(folder, 'spec.yaml');
      const swap = (text: string) => {
        writeFileSync(join(folder, '.new'), text);
        renameSync(join(folder, '.new'), file);
      };
      swap('a');
      return { file, change: () => swap('b'), again: () => swap('c') };
    },
    'its removal and its return': (folder) => {
      const file = join(folder, 'spec.yaml');
      writeFileSync(file, 'a');
      return { file, change: () => rmSync(file), again: () => writeFileSync(file, 'a') };
    },
    'its first appearance': (folder) => {
      const file = join(folder, 'spec.yaml');
      return { file, change: () => writeFileSync(file, 'a') };
    },
    'its folder’s first appearance, then its own': (folder) => {
      const file = join(folder, 'later', 'spec.yaml');
      return { file, change: () => mkdirSync(join(folder, 'later')), again: () => writeFileSync(file, 'a') };
    },
    'a swapped link on the way (Kubernetes ConfigMap)': (folder) => {
      const point = (version: string) => {
        mkdirSync(join(folder, version));
        writeFileSync(join(folder, version, 'spec.yaml'), version);
        symlinkSync(version, join(folder, '..data_tmp'));
        renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
      };
      point('..1');
      symlinkSync(join('..data', 'spec.yaml'), join(folder, 'spec.yaml'));
      return { file: join(folder, 'spec.yaml'), change: () => point('..2'), again: () => point('..3') };
    },
    'a write to the file that a link elsewhere leads to': (folder) => {
      mkdirSync(join(folder, 'real'));
      mkdirSync(join(folder, 'links'));
      const real = join(folder, 'real', 'a.yaml');
      writeFileSync(real, 'a');
      symlinkSync(real, join(folder, 'links', 'spec.yaml'));
      return { file: join(folder, 'links', 'spec.yaml'), change: () => writeFileSync(real, 'b') };
    },
  };

for (const [name, arrange] of Object.entries(changes)) {
  test(`${name} is noticed at once`, async (t) => {
    const { file, change, again } = arrange(scratchFolder('watch'));
    const { seen, watch } = follow(file);
    t.after(() => watch.close());
    for (const act of [change, ...(again ? [again] : [])]) {
      const before = seen.looks;
      act();
      await waitUntil('a look', () => seen.looks > before, 500);
    }
  });
}

test('many writes of one save are looked at once', async (t) => {
  const file = join(scratchFolder('watch'), 'spec.yaml');
  writeFileSync(file, '');
  const { seen, watch } = follow(file);
  t.after(() => watch.close());
  for (let line = 0; line < 200; line += 1) writeFileSync(file, `${line}\n`, { flag: 'a' });
  await waitUntil('a look', () => seen.looks > 0, 500);
  writeFileSync(file, 'last');
  await waitUntil('one more look', () => seen.looks > 1, 500);
  assert.equal(seen.looks, 2);
});

test('a file that is written to without end is looked at all the same', async (t) => {
  const file = join(scratchFolder('watch'), 'spec.yaml');
  const { seen, watch } = follow(file);
  const writing = setInterval(() => writeFileSync(file, 'x', { flag: 'a' }), 5);
  t.after(() => {
    clearInterval(writing);
    watch.close();
  });
  await waitUntil('several looks', () => seen.looks >= 3, 2000);
});

test('a closed watch says nothing more and keeps no process alive', async () => {
  const folder = scratchFolder('watch');
  const file = join(folder, 'spec.yaml');
  const { seen, watch } = follow(file);
  watch.close();
  const other = follow(file);
  writeFileSync(file, 'a');
  await waitUntil('the other watch looks', () => other.seen.looks > 0, 500);
  other.watch.close();
  assert.equal(seen.looks, 0);
});
