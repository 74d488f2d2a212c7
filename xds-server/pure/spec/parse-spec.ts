import { coherenceFindings } from './coherence.js';
import { draftOf } from './draft.js';
import { type Finding, type Problem, renderPath } from './problem.js';
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
  const placed = findings.map((finding) => ({ finding, place: locate(finding.path) }));
  placed.sort(({ place: a }, { place: b }) => lineOf(a) - lineOf(b) || columnOf(a) - columnOf(b));
  const problems = placed.slice(0, maxProblems).map(({ finding, place }) => problemOf(finding, place));
  const unseen = findings.length - problems.length;
  if (unseen > 0) problems.push({ path: '', expected: 'no problems', found: `${unseen} more of them` });
  return { ok: false, problems };
}

type Place = { readonly line: number; readonly column: number } | undefined;

const lineOf = (place: Place) => place?.line ?? 0;
const columnOf = (place: Place) => place?.column ?? 0;

function problemOf({ path, hint, ...words }: Finding, place: Place): Problem {
  const advice = typeof hint === 'function' ? hint() : hint;
  return { path: renderPath(path), ...words, ...(advice !== undefined && { hint: advice }), ...place };
}
