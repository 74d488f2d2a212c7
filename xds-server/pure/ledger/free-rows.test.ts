import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mayBe } from './claims.js';
import { FreeRows } from './free-rows.js';
import type { Row, Slot } from './records.js';

const service = (name: string) => ({ name }) as unknown as Slot['service'];
const services = [service('checkout'), service('reports')];
const accounts: readonly Row['account'][] = [...services, 'several', 'none', 'unknown'];
const sets = [undefined, new Set([1, 2, 3, 4, 5]), new Set([4, 5, 6, 7]), new Set<number>()];

const rowOf = (serverId: number, seenStep: number, account: Row['account']): Row => ({
  ...{ serverId, seenStep, seenMs: 0, account },
  peer: undefined,
  user: undefined,
  owner: undefined,
  isOurs: false,
  begunStep: undefined,
});

type Guessed = Pick<Slot, 'service' | 'users' | 'earliestStep' | 'latestStep' | 'suspects'>;
const slotOf = (slot: Guessed): Slot => slot as Slot;

const row = fc
  .tuple(fc.nat({ max: 9 }), fc.nat({ max: 12 }), fc.constantFrom(...accounts))
  .map((of) => rowOf(...of));

const slot = fc
  .record({
    service: fc.constantFrom(...services),
    users: fc.constantFrom(undefined, new Set(['app'])),
    earliestStep: fc.nat({ max: 9 }),
    latestStep: fc.oneof(fc.nat({ max: 12 }), fc.constant(Number.POSITIVE_INFINITY)),
    suspects: fc.constantFrom(...sets),
  })
  .map(slotOf);

/** From the words of the rule: each slot looks at each row. */
function taken(slots: readonly Slot[], rows: readonly Row[]): (Row | undefined)[] {
  const free = [...rows].sort((a, b) => a.seenStep - b.seenStep);
  const order = [...new Set(free.map(({ account }) => account))];
  return slots.map((of) => {
    for (const account of of.users ? [of.service, 'several', 'unknown'] : [of.service, ...order]) {
      const there = free.filter((each) => each.account === account);
      const latest = of.suspects ? there.findLast((each) => mayBe(of, each)) : there.at(-1);
      if (!latest || !mayBe(of, latest)) continue;
      free.splice(free.indexOf(latest), 1);
      return latest;
    }
    return undefined;
  });
}

test('each slot is given the latest row that it may be, of its own account first, and none is given twice', () => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 12 }), fc.array(slot, { maxLength: 12 }), (rows, slots) => {
      const latestFirst = [...slots].sort((a, b) => b.earliestStep - a.earliestStep);
      const free = new FreeRows(rows);
      assert.deepEqual(
        latestFirst.map((of) => rows.indexOf(free.take(of)!)),
        taken(latestFirst, rows).map((each) => rows.indexOf(each!)),
      );
    }),
    { numRuns: 2_000 },
  );
});

test('rows that have an owner are given to nobody', () => {
  const owned = { ...rowOf(1, 5, 'unknown'), owner: {} as Slot };
  const of = { service: services[0]!, users: undefined, earliestStep: 1, suspects: undefined };
  assert.equal(new FreeRows([owned]).take(slotOf({ ...of, latestStep: 9 })), undefined);
});

test('slots that suspect the same rows, and rows that came later: none looks at each of them', () => {
  const count = 1_000;
  let looks = 0;
  const watched = (serverId: number, seenStep: number): Row => ({
    ...rowOf(serverId, seenStep, 'unknown'),
    get seenStep() {
      looks += 1;
      return seenStep;
    },
  });
  const suspects = new Set(Array.from({ length: count }, (_, i) => i));
  const late = Array.from({ length: count }, (_, i) => watched(count + i, 50));
  const free = new FreeRows([...[...suspects].map((id) => watched(id, 20)), ...late]);
  const of = { service: services[0]!, users: undefined, earliestStep: 1, latestStep: 10, suspects };
  for (let i = 0; i < count; i++) assert.ok(free.take(slotOf(of)));
  assert.equal(free.take(slotOf(of)), undefined);
  assert.ok(looks < 50 * count, `${looks} looks at ${2 * count} rows`);
});
