/** One leader at a time, whatever is lost, late, stopped or killed; and one again when all of it is over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Electorate, type ElectorateOptions } from '../../../test/simulation/electorate.js';
import { defaultElection } from './settings.js';

/** The worst that `drift` is made for: one clock slow by this much, the other fast. */
const rateError = 0.111;

const worlds: fc.Arbitrary<ElectorateOptions> = fc.record({
  seed: fc.integer(),
  brains: fc.integer({ min: 1, max: 4 }),
  settings: fc.constant(defaultElection),
  rateError: fc.constantFrom(0, 0.0005, rateError),
  delayMs: fc.constantFrom(2, 300, 3_000),
  loss: fc.constantFrom(0, 0.05, 0.4),
  faultEveryMs: fc.constantFrom(500, 3_000),
});

test('two never lead at once', () => {
  fc.assert(
    fc.property(worlds, (options) => {
      const world = new Electorate(options);
      world.run(60_000);
      assert.deepEqual(world.overlaps(), []);
    }),
    { numRuns: 200 },
  );
});

test('when nothing breaks any more there is a leader soon, and it stays', () => {
  fc.assert(
    fc.property(worlds, (options) => {
      const world = new Electorate({ ...options, loss: 0, delayMs: Math.min(options.delayMs, 300) });
      world.run(30_000);
      world.calm();
      world.run(15_000);
      const before = world.leaders();
      assert.equal(before.length, 1);
      world.run(30_000);
      assert.deepEqual(world.leaders(), before);
    }),
    { numRuns: 100 },
  );
});

const planted: readonly [what: string, change: Partial<ElectorateOptions['settings']>][] = [
  ['a term as long as its lease', { drift: 0 }],
  ['a term that is shortened by less than two clocks may part', { drift: 0.1 }],
];

for (const [what, change] of planted)
  test(`it would show: ${what}`, () => {
    const overlaps = Array.from({ length: 100 }, (_, seed) => {
      const settings = { ...defaultElection, ...change };
      const world = new Electorate({
        ...{ seed, brains: 3, settings, rateError, delayMs: 2, loss: 0, faultEveryMs: 1_500 },
      });
      world.run(60_000);
      return world.overlaps().length;
    });
    assert.ok(overlaps.some((found) => found > 0));
  });
