import { z } from 'zod';
import { specSchema } from './spec.js';

/** The spec's JSON Schema (draft 2020-12) for editors: docs/spec.schema.json. What names mean together is not in it. */
export function specJsonSchema(): object {
  return {
    title: 'Sluice spec',
    description: 'Listeners, databases, tenants and services of Sluice; see docs/configuration.md',
    ...z.toJSONSchema(specSchema, { io: 'input' }),
  };
}
