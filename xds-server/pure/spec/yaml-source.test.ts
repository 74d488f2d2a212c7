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
    /^spec \(line 2\): expected a closing quotation mark, found none to the end of the file$/,
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

/** One slip in a spec that is well otherwise, and the one line that is said of it. */
const slips: readonly [slip: string, text: string, lines: readonly RegExp[]][] = [
  [
    'a line that is indented too far',
    'a:\n  b: 1\n   c: 2\n  d: 3\n  e: 4\n',
    [/^spec \(line 2\): expected a value that ends with its line.*; look for a line below that is indented/],
  ],
  [
    'a line that is not indented far enough',
    'a:\n  b:\n    c: 1\n   d: 2\n   e: 3\n  f: 4\n',
    [/^spec \(line 4\): expected YAML that is indented evenly, .*; look at this line and those above/],
  ],
  [
    'a first line that is indented',
    ` a: 1\n${'b: {c: [1, 2, 3]}\n'.repeat(30)}`,
    [/^spec \(line 2\): expected .*; look for .* above that is indented/],
  ],
  [
    'a missing colon',
    'a\n  b: 1\n  c: 2\n  d:\n    e: 3\n',
    [/^spec \(line 1\): expected a key on one line, found a longer one; look for a missing colon$/],
  ],
  [
    'a single quotation mark that nothing closes',
    `a:\n  b: 'x\n  c: {d: 1}\n${'e: 2\n'.repeat(30)}`,
    [/^spec \(line 2\): expected a closing quotation mark, found none to the end of the file$/],
  ],
  [
    'a missing bracket',
    'a:\n  b: {c: 1\n  d: 2\ne: 3\nf: [4]\n',
    [/^spec \(line 3\): .* a bracket that is not closed$/],
  ],
  [
    'tabs, each of which is one',
    'a:\n\tb: 1\nc:\n  d: 2\n\te: 3\nf:\n  g: 4\n',
    [/\(line 2\).*found a tab/, /\(line 5\).*found a tab/],
  ],
  [
    'tags and keys, which leave the rest as it is',
    'a: !x 1\nb: !y 2\n{c: 1}: d\n',
    [/\(line 1\).*a YAML tag/, /\(line 2\).*a YAML tag/, /\(line 3\).*a text as key/],
  ],
];

for (const [slip, text, expected] of slips)
  test(`of ${slip}, says so and nothing that follows from it`, () => {
    const lines = linesOf(text);
    assert.equal(lines.length, expected.length, lines.join('\n'));
    for (const [index, line] of lines.entries()) assert.match(line, expected[index]!);
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
