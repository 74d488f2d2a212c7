/**
 * The shipped ledger in worlds made from seeds. A seed that fails is printed, and fails again:
 *
 *   SEED=123 EVENTS=200 node --import tsx --test test/simulation/ledger.test.ts     one, with all that it was told
 *   SEEDS=200000 node --import tsx --test test/simulation/ledger.test.ts            many, from FROM on
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from './world.js';

const number = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);

const events = number('EVENTS', 200);
const first = number('SEED', number('FROM', 1));
const seeds = process.env.SEED === undefined ? number('SEEDS', 2_000) : 1;
const maxFailures = 5;

test(`I1, I3, I4 and conservation hold in ${seeds} worlds of ${events} events`, () => {
  const failures: string[] = [];
  let granted = 0;
  for (let seed = first; seed < first + seeds && failures.length < maxFailures; seed++) {
    const told: string[] = [];
    const world = new World(seed, seeds === 1 ? (line) => told.push(line) : undefined);
    try {
      world.run(events);
    } catch (error) {
      failures.push(`SEED=${seed} EVENTS=${events}: ${error instanceof Error ? error.message : error}`);
      process.stderr.write(told.map((line) => `${line}\n`).join(''));
    }
    granted += world.fleet.granted;
  }
  assert.deepEqual(failures, []);
  // A world in which nothing happens proves nothing.
  assert.ok(granted >= seeds, `${granted} grants in ${seeds} worlds`);
});

test('the same seed makes the same world', () => {
  const run = (): string[] => {
    const told: string[] = [];
    new World(first, (line) => told.push(line)).run(events);
    return told;
  };
  assert.deepEqual(run(), run());
});
