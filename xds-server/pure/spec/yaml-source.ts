import { Alias, type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from 'yaml';
import { type Finding, type Path, type Problem, shown } from './problem.js';

/**
 * YAML text to plain values, and back from a path to its line. Bounded before anything is expanded: size, nesting,
 * aliases. Nothing of the text is repeated in a syntax problem, since a secret may stand there.
 */
export type YamlSource =
  | { readonly ok: false; readonly problems: readonly Problem[] }
  | {
      readonly ok: true;
      readonly value: unknown;
      /** What is wrong with keys, though a value could be read. */
      readonly findings: readonly Finding[];
      /** Where the key or list item stands; of what is missing, where its nearest surrounding stands. */
      readonly locate: (path: Path) => { line: number; column: number } | undefined;
    };

export const maxSpecBytes = 4 * 1024 * 1024;
const maxDepth = 32;
const maxAliases = 100;

export function readYaml(text: string): YamlSource {
  const bytes = text.length > maxSpecBytes ? text.length : new TextEncoder().encode(text).length;
  if (bytes > maxSpecBytes)
    return refused({ expected: `a spec of at most ${maxSpecBytes} bytes`, found: `${bytes} of them` });
  if (isTooDeep(text)) return refused({ expected: `at most ${maxDepth} levels`, found: 'deeper nesting' });
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    // Found by duplicateKeys with their path, and so without giving up on the rest.
    uniqueKeys: false,
    stringKeys: true,
    logLevel: 'silent',
  });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    return {
      ok: false,
      problems: faults.slice(0, 20).map(({ code, pos }) => {
        const { line, col } = lines.linePos(pos[0]);
        return { path: '', ...(syntax[code] ?? syntax.other!), line, column: col };
      }),
    };
  }
  const aliases = countAliases(document);
  if (aliases > maxAliases)
    return refused({ expected: `at most ${maxAliases} YAML aliases`, found: `${aliases}` });
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: maxAliases });
  } catch {
    // The only thing that a faultless document can still be refused for.
    return refused({ expected: 'YAML aliases that stay small when expanded', found: 'more than that' });
  }
  return {
    ok: true,
    value,
    findings: badKeys(document),
    locate: (path) => {
      const offset = offsetOf(document, path);
      if (offset === undefined) return undefined;
      const { line, col } = lines.linePos(offset);
      return { line, column: col };
    },
  };
}

function refused(problem: Omit<Problem, 'path'>): YamlSource {
  return { ok: false, problems: [{ path: '', ...problem }] };
}

/** By the library's codes and in our words: its own messages quote the text. */
const syntax: Readonly<Record<string, { expected: string; found: string; hint?: string }>> = {
  ALIAS_PROPS: { expected: 'an alias alone', found: 'an alias with an anchor or tag' },
  BAD_ALIAS: { expected: 'the name of an anchor', found: 'a malformed alias' },
  BAD_INDENT: { expected: 'YAML that is indented evenly', found: 'another indentation' },
  DUPLICATE_KEY: { expected: 'each key once', found: 'the same key again' },
  MISSING_CHAR: { expected: 'a closing or separating character', found: 'none', hint: 'look for a missing " ] } or ,' },
  MULTILINE_IMPLICIT_KEY: { expected: 'a key on one line', found: 'a longer one', hint: 'look for a missing colon' },
  MULTIPLE_DOCS: { expected: 'one YAML document', found: 'several' },
  NON_STRING_KEY: { expected: 'a text as key', found: 'something else' },
  TAB_AS_INDENT: { expected: 'spaces as indentation', found: 'a tab' },
  TAG_RESOLVE_FAILED: { expected: 'plain values', found: 'a YAML tag' },
  UNRESOLVED_ALIAS: { expected: 'an alias of an anchor above', found: 'one of an unknown anchor' },
  other: { expected: 'well-formed YAML', found: 'something else' },
};

/** Nesting is bounded before the parser, which works by recursion, sees the text. */
function isTooDeep(text: string): boolean {
  let flow = 0;
  for (const char of text) {
    if (char === '[' || char === '{') flow++;
    else if (char === ']' || char === '}') flow--;
    if (flow > maxDepth) return true;
  }
  // In block style each level is indented by one space at least, or by the two of "- ".
  return /^[ ]{200}|^ *(- +){33}/m.test(text);
}

function countAliases(document: Document): number {
  let count = 0;
  visit(document, { Alias: () => void count++ });
  return count;
}

function badKeys(document: Document): Finding[] {
  const findings: Finding[] = [];
  const walk = (node: unknown, path: Path): void => {
    if (isSeq(node)) for (const [i, item] of node.items.entries()) walk(item, [...path, i]);
    if (!isMap(node)) return;
    const seen = new Set<string>();
    for (const { key, value } of node.items) {
      const name = keyText(key);
      const here = [...path, name];
      if (seen.has(name)) findings.push({ path: here, expected: 'each key once', found: `${shown(name)} again` });
      // To JavaScript this is no key like others; it must not get as far as the schema.
      if (name === '__proto__') findings.push({ path: here, expected: 'another name', found: shown(name) });
      seen.add(name);
      walk(value, here);
    }
  };
  walk(document.contents, []);
  return findings;
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : String(key);
}

/** The last of several equal keys: it is the one that is too many. */
function offsetOf(document: Document, path: Path): number | undefined {
  let node: unknown = document.contents;
  let offset = (node as Node | null)?.range?.[0];
  for (const step of path) {
    if (node instanceof Alias) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.findLast(({ key }) => keyText(key) === step);
      if (!pair) return offset;
      offset = (pair.key as Node | null)?.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}
