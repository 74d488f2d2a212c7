import type { Document, Node } from 'yaml';
import { Alias, Composer, isMap, isScalar, isSeq, Lexer, LineCounter, Parser, visit } from 'yaml';
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
  const lines = new LineCounter();
  const documents = compose(text, lines);
  if (documents === 'too deep')
    return refused({ expected: `at most ${maxDepth} levels of nesting`, found: 'more' });
  if (documents.length > 1) return refused({ expected: 'one YAML document', found: 'several' });
  const document = documents[0]!;
  const faults = faultsOf(document);
  if (faults.length > 0) {
    return {
      ok: false,
      problems: faults.slice(0, 20).map(({ code, at }) => {
        const { line, col } = lines.linePos(at);
        return { path: '', ...(syntax[code] ?? syntax.other!), line, column: col };
      }),
    };
  }
  const aliases = aliasesOf(document);
  if (aliases.length > maxAliases)
    return refused({ expected: `at most ${maxAliases} YAML aliases`, found: `${aliases.length}` });
  for (const alias of aliases) {
    if (alias.resolve(document)) continue;
    const { line, col } = lines.linePos(alias.range?.[0] ?? 0);
    return refused({
      expected: 'an alias of an anchor above it',
      found: 'no such anchor',
      line,
      column: col,
    });
  }
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

interface Fault {
  /** Of the library, or `unclosed`. */
  readonly code: string;
  readonly at: number;
}

/** These leave what comes after them as it is. */
const harmless = new Set([
  'ALIAS_PROPS',
  'BAD_ALIAS',
  'BAD_DQ_ESCAPE',
  'NON_STRING_KEY',
  'TAG_RESOLVE_FAILED',
]);

/**
 * In the order of the text, up to the first after which the rest is read otherwise than it was meant: what is found there
 * would mostly follow from that one. Tabs are told all the same, each is one.
 */
function faultsOf(document: Document): readonly Fault[] {
  const faults = [...document.errors, ...document.warnings].map(({ code, pos }): Fault => {
    const opening = code === 'MISSING_CHAR' ? openingOf(document, pos[0]) : undefined;
    return opening === undefined ? { code, at: pos[0] } : { code: 'unclosed', at: opening };
  });
  faults.sort((one, other) => one.at - other.at);
  const first = faults.findIndex(({ code }) => !harmless.has(code));
  if (first === -1) return faults;
  const tabs = faults.slice(first + 1).filter(({ code }) => code === 'TAB_AS_INDENT');
  return [...faults.slice(0, first + 1), ...(faults[first]!.code === 'TAB_AS_INDENT' ? tabs : [])];
}

/** Where the quotation mark stands of a text that goes on until `end`. */
function openingOf(document: Document, end: number): number | undefined {
  let opening: number | undefined;
  visit(document, {
    Scalar: (_, { type, range }) => {
      if (type?.startsWith('QUOTE') && range?.[1] === end) opening = range[0];
    },
  });
  return opening;
}

/** By the library's codes and in our words: its own messages quote the text. */
const syntax: Readonly<Record<string, { expected: string; found: string; hint?: string }>> = {
  ALIAS_PROPS: { expected: 'an alias alone', found: 'an alias with an anchor or tag' },
  BAD_ALIAS: { expected: 'the name of an anchor', found: 'a malformed alias' },
  BAD_INDENT: {
    expected: 'YAML that is indented evenly',
    found: 'another indentation',
    hint: 'look at this line and those above, also for a bracket that is not closed',
  },
  BLOCK_AS_IMPLICIT_KEY: {
    expected: 'a value that ends with its line',
    found: 'another key in it',
    hint: 'look for a line below that is indented too far, or a colon that needs quotation marks',
  },
  MISSING_CHAR: {
    expected: 'a closing or separating character',
    found: 'none',
    hint: 'look for a missing " ] } or ,',
  },
  MULTILINE_IMPLICIT_KEY: {
    expected: 'a key on one line',
    found: 'a longer one',
    hint: 'look for a missing colon',
  },
  NON_STRING_KEY: { expected: 'a text as key', found: 'something else' },
  RESOURCE_EXHAUSTION: { expected: 'less nesting', found: 'more than can be read' },
  TAB_AS_INDENT: { expected: 'spaces as indentation', found: 'a tab' },
  TAG_RESOLVE_FAILED: { expected: 'plain values', found: 'a YAML tag' },
  UNEXPECTED_TOKEN: {
    expected: 'well-formed YAML',
    found: 'what does not belong here',
    hint: 'look for a stray character, or a line above that is indented otherwise',
  },
  unclosed: { expected: 'a closing quotation mark', found: 'none to the end of the file' },
  other: { expected: 'well-formed YAML', found: 'something else' },
};

/**
 * Nesting is watched while the parser, which has a stack of its own, reads on: what comes after it works by recursion,
 * and a text of brackets alone would end the process.
 */
function compose(text: string, lines: LineCounter): readonly Document[] | 'too deep' {
  lines.addNewLine(0);
  const parser = new Parser(lines.addNewLine);
  const tokens = [];
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > maxDepth) return 'too deep';
  }
  for (const token of parser.end()) tokens.push(token);
  // Equal keys are found by badKeys with their path, and so without giving up on the rest.
  const composer = new Composer({ uniqueKeys: false, stringKeys: true, logLevel: 'silent' });
  return [...composer.compose(tokens, true, text.length)] as Document[];
}

function aliasesOf(document: Document): readonly Alias[] {
  const aliases: Alias[] = [];
  visit(document, { Alias: (_, alias) => void aliases.push(alias) });
  return aliases;
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
      if (seen.has(name))
        findings.push({ path: here, expected: 'each key once', found: `${shown(name)} again` });
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
