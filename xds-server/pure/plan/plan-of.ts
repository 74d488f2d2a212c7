import type { Spec } from '../spec/spec.js';
import type { Plan } from './plan.js';

/** Resolves a spec, as `parseSpec` accepted it, into limits. Total: an accepted spec always has a plan. */
export function planOf(spec: Spec): Plan {
  throw new Error(`not yet: ${Object.keys(spec).length}`);
}
