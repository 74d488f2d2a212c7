import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Heap, type Place } from './heap.js';

test('what a heap gives out is what a sorted list would, whatever was removed in between', () => {
  const step = fc.oneof(
    fc.record({ add: fc.integer({ min: 0, max: 20 }) }),
    fc.record({ remove: fc.nat() }),
    fc.constant('first' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new Heap<number>();
      const model: Place<number>[] = [];
      let serial = 0;
      for (const each of steps) {
        if (each === 'first') {
          const [expected] = [...model].sort((a, b) => a.key - b.key || a.item - b.item);
          assert.equal(heap.first(), expected);
        } else if ('add' in each) model.push(heap.add(serial++, each.add));
        else if (model.length > 0) {
          const [place] = model.splice(each.remove % model.length, 1);
          heap.remove(place!);
          heap.remove(place!);
        }
        assert.equal(heap.size, model.length);
        assert.deepEqual(new Set(heap), new Set(model.map(({ item }) => item)));
      }
    }),
  );
});
