import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { specJsonSchema } from './json-schema.js';
import { parseSpec } from './parse-spec.js';
import { changed, yaml } from './sound-spec.js';

const published = path.resolve(import.meta.dirname, '../../../docs/spec.schema.json');
const documented = path.resolve(import.meta.dirname, '../../../docs/configuration.md');

test('the published JSON Schema is the current one (UPDATE_GOLDENS=1 writes it)', () => {
  const current = `${JSON.stringify(specJsonSchema(), null, 2)}\n`;
  if (process.env.UPDATE_GOLDENS === '1') writeFileSync(published, current);
  assert.equal(readFileSync(published, 'utf8'), current);
});

test('the JSON Schema accepts what the program accepts, and knows fields and bounds', () => {
  const validate = new Ajv2020({ strict: false }).compile(specJsonSchema());
  assert.ok(validate(parse(yaml())), JSON.stringify(validate.errors));
  for (const text of [
    changed('services.checkout.databse', 'x'),
    changed('services.checkout.timeout_ms', 700_000),
    changed('services.checkout.allow', []),
    changed('tenants.Shop', {}),
  ]) {
    assert.equal(validate(parse(text)), false, text);
    assert.equal(parseSpec(text).ok, false);
  }
});

test('docs/configuration.md has a row for every field, and none for what is not there', () => {
  const rows = [...readFileSync(documented, 'utf8').matchAll(/^\| `([a-z_.<>[\]]+)` \|/gm)].map(
    ([, name]) => name!,
  );
  assert.deepEqual(rows.sort(), fieldPaths(specJsonSchema() as Schema).sort());
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly propertyNames?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

/** `services.<name>.allow[].cidr`: every field that holds a value and not further fields. */
function fieldPaths(schema: Schema, at = ''): string[] {
  if (schema.anyOf) return schema.anyOf.flatMap((each) => fieldPaths(each, at));
  if (schema.properties)
    return Object.entries(schema.properties).flatMap(([name, each]) =>
      fieldPaths(each, at === '' ? name : `${at}.${name}`),
    );
  if (typeof schema.additionalProperties === 'object')
    return fieldPaths(schema.additionalProperties, `${at}.<name>`);
  return schema.items ? fieldPaths(schema.items, `${at}[]`) : [at];
}
