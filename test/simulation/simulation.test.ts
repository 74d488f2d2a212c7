/** The shipped ledger in worlds made from seeds; `make sim` plays more of them. A seed that fails is printed, and fails again. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { leastLength, play, replay } from './play.js';
import type { Script } from './script.js';
import { playAll } from './worker.js';

const schedules = 600;

test(`I1, I3, I4, I5 and conservation hold in ${schedules} schedules`, () => {
  const { failures, grants, leastEvents, leastFaults } = playAll({
    from: 1,
    count: schedules,
    length: leastLength,
  });
  assert.deepEqual(failures, []);
  assert.ok(leastEvents >= leastLength.events && leastFaults >= leastLength.faults);
  // A world in which nothing happens proves nothing.
  assert.ok(grants >= 20 * schedules, `${grants} grants`);
});

test('the same seed makes the same world', () => {
  const told = (): string[] => {
    const lines: string[] = [];
    play(7, leastLength, undefined, (line) => lines.push(line));
    return lines;
  };
  assert.deepEqual(told(), told());
});

const folder = path.join(import.meta.dirname, 'regressions');

for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  const { violated, script } = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as {
    readonly violated: string;
    readonly script: Script;
  };
  test(`${file} is mended: ${violated}`, () => {
    assert.equal(replay(script).violation, undefined);
  });
}
