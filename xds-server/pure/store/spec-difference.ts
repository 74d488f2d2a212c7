/** What one spec says otherwise than another, object by object: what `sluice diff` shows and `sluice apply` is about to do. */
import type { Spec } from '../spec/spec.js';

export interface FieldChange {
  /** Below the object: `max_connections`, `allow[0].cidr`. */
  readonly field: string;
  /** undefined: it was not there. */
  readonly before: unknown;
  /** undefined: it is not there any more. */
  readonly after: unknown;
}

export type ObjectChange =
  | { readonly object: string; readonly kind: 'added' | 'removed' }
  | { readonly object: string; readonly kind: 'changed'; readonly fields: readonly FieldChange[] };

/** @param before undefined: there is none. Objects in the order of their kinds, and by name. */
export function specDifference(before: Spec | undefined, after: Spec): readonly ObjectChange[] {
  const kinds = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after)])];
  return kinds.flatMap((kind) => kindChanges(kind, section(before, kind), section(after, kind)));
}

const section = (spec: Spec | undefined, kind: string): Record<string, unknown> =>
  (spec as Record<string, Record<string, unknown>> | undefined)?.[kind] ?? {};

function kindChanges(
  kind: string,
  before: Record<string, unknown>,
  after: Record<string, unknown>,
): ObjectChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const changes: ObjectChange[] = [];
  for (const name of names) {
    const object = `${kind}.${name}`;
    if (!Object.hasOwn(before, name)) changes.push({ object, kind: 'added' });
    else if (!Object.hasOwn(after, name)) changes.push({ object, kind: 'removed' });
    else {
      const fields = [...fieldChanges('', before[name], after[name])];
      if (fields.length > 0) changes.push({ object, kind: 'changed', fields });
    }
  }
  return changes;
}

function* fieldChanges(field: string, before: unknown, after: unknown): Generator<FieldChange> {
  if (Array.isArray(before) && Array.isArray(after)) {
    for (let index = 0; index < Math.max(before.length, after.length); index += 1)
      yield* fieldChanges(`${field}[${index}]`, before[index], after[index]);
  } else if (isMapping(before) && isMapping(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)]))
      yield* fieldChanges(field === '' ? key : `${field}.${key}`, before[key], after[key]);
  } else if (before !== after) yield { field, before, after };
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Lines for people: `+ services.billing`, `~ services.checkout  max_connections: 40 → 50`. */
export function renderDifference(changes: readonly ObjectChange[]): readonly string[] {
  return changes.flatMap((change) => {
    if (change.kind === 'added') return [`+ ${change.object}`];
    if (change.kind !== 'changed') return [`- ${change.object}`];
    return change.fields.map(
      ({ field, before, after }) => `~ ${change.object}  ${field}: ${inWords(before)} → ${inWords(after)}`,
    );
  });
}

const inWords = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value));
