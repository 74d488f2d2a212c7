import type { Plan } from './plan.js';

/** The plan in words, one line each, for `sluice check`: what each target gives and who may take how much of it. */
export function explainPlan(plan: Plan): readonly string[] {
  throw new Error(`not yet: ${plan.services.size}`);
}
