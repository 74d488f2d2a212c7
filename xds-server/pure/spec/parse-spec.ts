import { coherenceFindings } from './coherence.js';
import { draftOf } from './draft.js';
import { type Problem, renderPath } from './problem.js';
import { schemaFindings } from './schema-findings.js';
import { type Spec, specSchema } from './spec.js';
import { readYaml } from './yaml-source.js';

export type ParsedSpec =
  | { readonly ok: true; readonly spec: Spec }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Problems beyond these are counted, not listed: nobody reads them, and a log line has an end. */
const maxProblems = 200;

/**
 * YAML text to a spec, or to every problem it has, in the order of the text: what is wrong with each value, with the
 * objects together, and with the YAML itself.
 */
export function parseSpec(text: string): ParsedSpec {
  const source = readYaml(text);
  if (!source.ok) return source;
  const { value, locate } = source;
  const parsed = specSchema.safeParse(value);
  const findings = [
    ...source.findings,
    ...(parsed.success ? [] : schemaFindings(value, parsed.error)),
    ...coherenceFindings(draftOf(value)),
  ];
  if (parsed.success && findings.length === 0) return { ok: true, spec: parsed.data };
  const problems = findings.map(
    ({ path, ...words }): Problem => ({ path: renderPath(path), ...words, ...locate(path) }),
  );
  problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  if (problems.length <= maxProblems) return { ok: false, problems };
  const more = { path: '', expected: 'no problems', found: `${problems.length - maxProblems} more of them` };
  return { ok: false, problems: [...problems.slice(0, maxProblems), more] };
}
