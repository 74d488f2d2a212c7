import type { z } from 'zod';
import {
  type DatabaseSpec,
  databaseSchema,
  type ListenerSpec,
  listenerSchema,
  type ServiceSpec,
  serviceSchema,
  type TenantSpec,
  tenantSchema,
} from './spec.js';

/**
 * A spec that may be wrong in places: every field that is right by itself, with its default, and nothing in place of
 * the others. So one misspelt field does not hide what is wrong elsewhere in the same object.
 */
export interface Draft {
  readonly listeners: DraftObjects<ListenerSpec>;
  readonly databases: DraftObjects<DatabaseSpec>;
  readonly tenants: DraftObjects<TenantSpec>;
  readonly services: DraftObjects<ServiceSpec>;
}

/** An optional field that its author left out is there as undefined; one that is absent is wrong or missing. */
export type Loose<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** In the order of the text; a name stands here even when nothing of its object is right. */
export type DraftObjects<T> = ReadonlyMap<string, Loose<T>>;

export function draftOf(value: unknown): Draft {
  const section = <T>(name: string, schema: z.ZodObject): DraftObjects<T> => {
    const objects = isMapping(value) ? value[name] : undefined;
    if (!isMapping(objects)) return new Map();
    return new Map(Object.entries(objects).map(([key, each]) => [key, soundFields<T>(schema, each)]));
  };
  return {
    listeners: section('listeners', listenerSchema),
    databases: section('databases', databaseSchema),
    tenants: section('tenants', tenantSchema),
    services: section('services', serviceSchema),
  };
}

function soundFields<T>(schema: z.ZodObject, value: unknown): Loose<T> {
  if (!isMapping(value)) return {};
  const fields: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(schema.shape)) {
    const isThere = Object.hasOwn(value, name);
    if (!isThere && (field as z.ZodType).def.type === 'optional') {
      fields[name] = undefined;
      continue;
    }
    const parsed = (field as z.ZodType).safeParse(isThere ? value[name] : undefined);
    if (parsed.success) fields[name] = parsed.data;
  }
  return fields as Loose<T>;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
