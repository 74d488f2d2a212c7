import { databaseFindings } from './coherent-databases.js';
import { listenerFindings } from './coherent-listeners.js';
import { serviceFindings } from './coherent-services.js';
import type { Draft } from './draft.js';
import type { Finding } from './problem.js';
import { maxObjects } from './spec.js';

/** What the objects of a spec mean together: names that exist, budgets that suffice, nothing that can never work. */
export function coherenceFindings(draft: Draft): Finding[] {
  return [
    ...countFindings(draft),
    ...listenerFindings(draft),
    ...databaseFindings(draft),
    ...serviceFindings(draft),
  ];
}

function countFindings(draft: Draft): Finding[] {
  const findings: Finding[] = [];
  for (const section of ['listeners', 'databases', 'tenants', 'services'] as const) {
    const count = draft[section].size;
    const most = maxObjects[section];
    if (count > most)
      findings.push({ path: [section], expected: `at most ${most} ${section}`, found: `${count} of them` });
  }
  return findings;
}
