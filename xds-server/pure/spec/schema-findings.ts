import type { z } from 'zod';
import { nearest } from './nearest.js';
import { describe, type Finding, kindOf, type Path, shown } from './problem.js';
import { specSchema } from './spec.js';

/** What zod has to say about a spec, in the words of this project: one finding for each thing that is wrong. */
export function schemaFindings(value: unknown, error: z.ZodError): Finding[] {
  return error.issues.flatMap((issue) => findingsOf(value, issue as Issue));
}

type Issue = z.core.$ZodIssue & { readonly path: Path; readonly params?: { readonly hint?: string } };

function findingsOf(value: unknown, issue: Issue): Finding[] {
  const { path } = issue;
  const found = valueAt(value, path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownField([...path, key], issue.keys));
    case 'invalid_key':
      return [
        { path, expected: issue.issues[0]?.message ?? 'another name', found: shown(String(path.at(-1))) },
      ];
    case 'invalid_type':
      if (issue.expected === 'object' || issue.expected === 'record')
        return [{ path, expected: mappingWords(path), found: kindOf(found), ...emptyHint(path, found) }];
      break;
    case 'invalid_union':
      return [
        { path, expected: issue.message, found: kindOf(found), hint: 'a secret is named, never written' },
      ];
    case 'invalid_value':
      return [
        { path, expected: issue.message, ...describeFound(path, found), ...didYouMean(found, issue.values) },
      ];
  }
  return [
    {
      path,
      expected: issue.message,
      ...describeFound(path, found),
      ...adviceFor(path, issue.params?.hint, found),
    },
  ];
}

/** Fields that the spec will have once what they ask for works; until then they are refused, never ignored. */
const later: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  services: {
    pool: 'every session goes straight to the database',
    workload: 'give max_connections as a number',
  },
};

function unknownField(path: Path, all: readonly string[]): Finding {
  const name = String(path.at(-1));
  const hint = path.length === 3 && later[String(path[0])]?.[name];
  if (hint) {
    const expected = `no field ${shown(name)}, which is not available in this version`;
    return { path, expected, found: 'one', hint };
  }
  const fields = fieldsAt(path.slice(0, -1)).filter((field) => !all.includes(field));
  const close = nearest(name, fields);
  return {
    path,
    expected: `one of ${fieldsAt(path.slice(0, -1)).join(', ')}`,
    found: shown(name),
    ...(close !== undefined && { hint: `did you mean "${close}"?` }),
  };
}

/** Names of the fields that the schema has at a place. */
function fieldsAt(path: Path): string[] {
  let schema: unknown = specSchema;
  for (const step of path) {
    const { def } = unwrap(schema);
    if (def.type === 'object') schema = def.shape[step as string];
    else if (def.type === 'record') schema = def.valueType;
    else if (def.type === 'array') schema = def.element;
  }
  const { def } = unwrap(schema);
  return def.type === 'object' ? Object.keys(def.shape) : [];
}

/** As much of a schema as is walked here: https://zod.dev/packages/core#schemas */
interface Walked {
  readonly def:
    | { readonly type: 'object'; readonly shape: Readonly<Record<string, unknown>> }
    | { readonly type: 'record'; readonly valueType: unknown }
    | { readonly type: 'array'; readonly element: unknown }
    | { readonly type: 'optional' | 'default'; readonly innerType: unknown }
    | { readonly type: 'other' };
}

function unwrap(schema: unknown): Walked {
  const walked = schema as Walked;
  const { def } = walked;
  return def.type === 'optional' || def.type === 'default' ? unwrap(def.innerType) : walked;
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Record<string | number, unknown>)[step];
  }
  return at;
}

function mappingWords(path: Path): string {
  const fields = fieldsAt(path);
  return fields.length > 0 ? `a mapping with ${fields.join(', ')}` : 'a mapping of names';
}

function emptyHint(path: Path, found: unknown) {
  const mayBeEmpty = path.length === 1 || (path.length === 2 && path[0] === 'tenants');
  return found === null && mayBeEmpty ? { hint: 'write {} for none' } : {};
}

/** In place of a key's file may stand the key; passwords are within a union, of which only the kind is said. */
function describeFound(path: Path, found: unknown): { found: string } {
  return { found: path.at(-1) === 'key' ? kindOf(found) : describe(found) };
}

function didYouMean(found: unknown, known: readonly unknown[]) {
  const close = typeof found === 'string' ? nearest(found, known.map(String)) : undefined;
  return close === undefined ? {} : { hint: `did you mean "${close}"?` };
}

function adviceFor(path: Path, hint: string | undefined, found: unknown) {
  if (hint !== undefined) return { hint };
  if (found === 'auto') return { hint: '"auto" is not available in this version: give a number' };
  if (path.at(-1) === 'version' && typeof found === 'number')
    return { hint: 'without quotation marks YAML reads a number, and 10.10 as 10.1' };
  return {};
}
