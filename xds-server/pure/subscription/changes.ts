/** Names that differ between two sets of one type; computed once for all streams. */
import type { ResourceSet } from '../snapshot/snapshot.js';

export function changedNames(before: ResourceSet | undefined, after: ResourceSet): string[] {
  if (before?.version === after.version) return [];
  const changed: string[] = [];
  for (const [name, resource] of after.resources)
    if (before?.resources.get(name)?.version !== resource.version) changed.push(name);
  for (const name of before?.resources.keys() ?? []) if (!after.resources.has(name)) changed.push(name);
  return changed;
}
