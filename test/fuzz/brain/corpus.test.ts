import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { brainCorpus } from '../brain.js';
import { kept } from '../corpus.js';
import { Chance, mutated } from './mutate.js';
import { brainTargets } from './targets.js';

const variations = 300;

for (const [name, { fuzz, seeds, words = [] }] of Object.entries(brainTargets)) {
  const inputs = [...kept(brainCorpus(name)), ...seeds];

  test(`nothing is found in the kept inputs of ${name}, nor in ${variations} of their like`, () => {
    assert.ok(inputs.length > seeds.length, 'no inputs are kept');
    const run = (input: Buffer): void => {
      try {
        fuzz(input);
      } catch (error) {
        throw new Error(`found with ${input.toString('hex')}`, { cause: error });
      }
    };
    for (const input of inputs) run(input);
    const chance = new Chance(1);
    const tokens = words.map((word) => Buffer.from(word));
    for (let left = variations; left > 0; left--) run(mutated(inputs, tokens, chance, 1_024));
  });
}

test('every kept corpus belongs to a target', () => {
  const files = readdirSync(path.dirname(brainCorpus('any'))).sort();
  assert.deepEqual(
    files,
    Object.keys(brainTargets)
      .map((name) => `${name}.hex`)
      .sort(),
  );
});
