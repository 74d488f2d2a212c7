/** The simulation finds what it is there for: one guard is taken away, and it has to say so. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plants } from './plants.js';
import { invariantOf, leastLength, play, record, replay } from './play.js';
import { Drawn } from './script.js';
import { shrink } from './shrink.js';

const mostSeeds = 2_000;

for (const { name, where, invariants, parts, needs = () => true } of plants)
  test(`found: ${name} (${where})`, (context) => {
    let played = 0;
    for (let seed = 1; played < mostSeeds; seed++) {
      if (!needs(new Drawn(seed).traits)) continue;
      played++;
      const { violation } = play(seed, leastLength, parts);
      if (violation === undefined) continue;
      assert.ok(invariants.includes(invariantOf(violation)), violation);
      context.diagnostic(`${played} seeds: ${violation}`);
      return;
    }
    assert.fail(`not found in ${mostSeeds} seeds`);
  });

test('a failing schedule is made small, and still fails', () => {
  const { parts } = plants[0]!;
  const script = record(1, leastLength, parts);
  const small = shrink(script, 'I1', parts);
  assert.ok(small.happenings.length <= 10, `${small.happenings.length} are left`);
  assert.ok(small.happenings.length < script.happenings.length);
  assert.match(replay(small, parts).violation ?? '', /^I1: /);
  assert.equal(replay(small).violation, undefined);
});
