/** What the documents point at is there. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const top = path.resolve(import.meta.dirname, '..');

const pages = [
  ...readdirSync(top).filter((name) => name.endsWith('.md')),
  ...readdirSync(path.join(top, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.join('docs', name)),
];

/** Targets of links within the project, without the part behind `#`. */
function links(text: string): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!.split('#')[0]!)
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target));
}

test('every link in the documents leads to a file or folder of the project', () => {
  const broken = pages.flatMap((page) =>
    links(readFileSync(path.join(top, page), 'utf8'))
      .filter((target) => !existsSync(path.join(top, path.dirname(page), target)))
      .map((target) => `${page} → ${target}`),
  );
  assert.deepEqual(broken, []);
});

test('every folder and file that CONTRIBUTING sends its reader to is there', () => {
  const table = readFileSync(path.join(top, 'CONTRIBUTING.md'), 'utf8').match(/^\| .+$/gm) ?? [];
  const named = table.flatMap((row) => [...row.matchAll(/`((?:xds-server|filters|setup|demo)\/[\w./-]*)`/g)]);
  assert.ok(named.length > 15);
  for (const [, file] of named) assert.ok(existsSync(path.join(top, file!)), file);
});

test('decisions are numbered without a gap, and each has context, decision and consequence', () => {
  const decisions = readdirSync(path.join(top, 'docs/decisions')).sort();
  for (const [index, name] of decisions.entries()) {
    assert.equal(Number(name.slice(0, 4)), index + 1, name);
    const text = readFileSync(path.join(top, 'docs/decisions', name), 'utf8');
    assert.match(text, new RegExp(`^# ${index + 1}\\. `));
    for (const part of ['Context', 'Decision', 'Consequence'])
      assert.ok(text.includes(`**${part}.**`), `${name}: ${part}`);
  }
});
