import type { Problem } from './problem.js';
import type { Spec } from './spec.js';

export type ParsedSpec =
  | { readonly ok: true; readonly spec: Spec }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** YAML text → spec, or every problem it has, in the order of the text. */
export function parseSpec(text: string): ParsedSpec {
  throw new Error(`not yet: ${text.length}`);
}
