import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSpec } from './parse-spec.js';
import { renderProblem } from './problem.js';
import { maxSpecBytes } from './yaml-source.js';

const linesOf = (text: string) => {
  const parsed = parseSpec(text);
  return parsed.ok ? [] : parsed.problems.map(renderProblem);
};

const broken: readonly [why: string, text: string, first: RegExp][] = [
  [
    'an empty file',
    '',
    /^spec.*: expected a mapping with listeners, databases, tenants, services, found nothing/,
  ],
  ['a text', 'hello', /^spec \(line 1\): expected a mapping with listeners/],
  ['a list', '- a', /^spec \(line 1\): expected a mapping with listeners/],
  [
    'a missing quotation mark',
    'listeners:\n  pg: "x\n',
    /^spec \(line 3\): expected a closing or separating character/,
  ],
  ['uneven indentation', 'a:\n   b: 1\n  c: 2\n', /^spec \(line 3\): expected YAML that is indented evenly/],
  ['a tab', 'a:\n\tb: 1\n', /^spec \(line 2\): expected spaces as indentation, found a tab/],
  ['a tag', 'a: !vault hunter2\n', /^spec \(line 1\): expected plain values, found a YAML tag$/],
  ['several documents', 'a: 1\n---\nb: 1\n', /^spec: expected one YAML document, found several/],
  ['a mapping as key', '{a: 1}: b\n', /^spec \(line 1\): expected a text as key/],
  [
    'an unknown alias',
    'a: *b\n',
    /^spec \(line 1\): expected an alias of an anchor above it, found no such anchor/,
  ],
  [
    'a key twice',
    'tenants:\n  a: {}\n  a: {}\n',
    /tenants\.a \(line 3\): expected each key once, found "a" again/,
  ],
  ['__proto__', 'tenants:\n  __proto__: {x: 1}\n', /tenants\.__proto__ \(line 2\): expected another name/],
];

for (const [why, text, first] of broken)
  test(`refuses ${why}`, () => {
    const lines = linesOf(text);
    assert.ok(
      lines.some((line) => first.test(line)),
      lines.join('\n'),
    );
    assert.ok(!lines.join().includes('hunter2'));
  });

test('aliases may spare repetition', () => {
  const text = 'x: &x {max_connections: 1}\ntenants: {a: *x, b: *x}\n';
  assert.deepEqual(
    linesOf(text).filter((line) => line.startsWith('tenants')),
    [],
  );
});

const levels = ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
const hostile: readonly [why: string, text: string, problem: RegExp][] = [
  [
    'aliases that multiply',
    `a: &a [x, x, x, x, x, x, x, x, x]\n${levels
      .map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(', ')}]`)
      .join('\n')}`,
    /expected YAML aliases that stay small when expanded/,
  ],
  ['an alias of itself', 'a: &a [*a]\n', /expected/],
  [
    'too many aliases',
    `a: &a 1\nb: [${Array(101).fill('*a').join(', ')}]\n`,
    /at most 100 YAML aliases, found 101/,
  ],
  ['a million brackets', '['.repeat(1_000_000), /at most 32 levels of nesting/],
  ['brackets that seem to be closed in comments', '[ #]\n'.repeat(100_000), /at most 32 levels of nesting/],
  ['a list in a list in a list', `${'- '.repeat(100_000)}x`, /at most 32 levels of nesting/],
  [
    'deep indentation',
    levels
      .concat(levels, levels, levels)
      .map((_, i) => `${' '.repeat(i)}a:`)
      .join('\n'),
    /at most 32 levels of nesting/,
  ],
  ['a file that is too large', `#${'x'.repeat(maxSpecBytes)}`, /at most 4194304 bytes/],
  ['one that is too large in UTF-8 only', `#${'é'.repeat(maxSpecBytes / 2)}`, /at most 4194304 bytes/],
];

for (const [why, text, problem] of hostile)
  test(`refuses ${why}, and lives on`, () => {
    const lines = linesOf(text);
    assert.match(lines.join('\n'), problem);
  });
