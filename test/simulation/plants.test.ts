/** The simulation finds what it is there for: one guard is taken away, and it has to say so. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plants } from './plants.js';
import { invariantOf, leastLength, play, record, replay } from './play.js';
import { shrink } from './shrink.js';

const mostSeeds = 1_000;

for (const { name, where, invariants, parts } of plants)
  test(`found: ${name} (${where})`, (context) => {
    for (let seed = 1; seed <= mostSeeds; seed++) {
      const { violation } = play(seed, leastLength, parts);
      if (violation === undefined) continue;
      assert.ok(invariants.includes(invariantOf(violation)), violation);
      context.diagnostic(`${seed} seeds: ${violation}`);
      return;
    }
    assert.fail(`not found in ${mostSeeds} seeds`);
  });

test('a failing schedule is made small, and still fails', () => {
  const { parts } = plants[0]!;
  const script = record(1, leastLength, parts);
  const small = shrink(script, 'I1', parts);
  assert.ok(small.happenings.length <= script.happenings.length / 4, `${small.happenings.length} are left`);
  assert.match(replay(small, parts).violation ?? '', /^I1: /);
  assert.equal(replay(small).violation, undefined);
});
