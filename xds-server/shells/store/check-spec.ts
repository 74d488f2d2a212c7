/** Would this spec be taken? Reads as `serve` reads, once, and keeps nothing. */
import type { Problem } from '../../pure/spec/problem.js';
import type { Spec } from '../../pure/spec/spec.js';
import { loadSpec, parseFile, type Surroundings } from './load-spec.js';

export type CheckedSpec =
  | { readonly ok: true; readonly spec: Spec; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** @param withFiles false on a machine that has the spec but not the certificates and passwords that it names */
export async function checkSpec(
  file: string,
  withFiles: boolean,
  around: Surroundings,
): Promise<CheckedSpec> {
  if (!withFiles) {
    const parsed = await parseFile(file);
    return parsed.ok ? { ok: true, spec: parsed.spec, warnings: [] } : parsed;
  }
  const reading = await loadSpec(file, around);
  return reading.kind === 'problems'
    ? { ok: false, problems: reading.problems }
    : { ok: true, spec: reading.loaded.spec, warnings: reading.loaded.warnings };
}
