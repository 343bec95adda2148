import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Heap } from '../../src/util/heap.ts';

test('an empty heap has no smallest key', () => {
  const heap = new Heap<string>();
  expect(heap.size).toBe(0);
  expect(heap.minKey).toBe(Infinity);
  expect(heap.pop()).toBeUndefined();
});

test('items come out by key, and those of one key in the order they went in', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 200 }), (keys) => {
      const heap = new Heap<{ key: number; order: number }>();
      const items = keys.map((key, order) => ({ key, order }));
      for (const item of items) heap.push(item.key, item);
      expect(heap.size).toBe(items.length);
      const sorted = [...items].sort((a, b) => a.key - b.key || a.order - b.order);
      expect(heap.minKey).toBe(sorted[0]?.key ?? Infinity);
      expect(items.map(() => heap.pop())).toEqual(sorted);
      expect(heap.size).toBe(0);
    }),
    { seed: 20_260_108, numRuns: 200 },
  );
});

test('pushes and pops may be mixed', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(50), fc.constant(null)), { maxLength: 200 }), (steps) => {
      const heap = new Heap<number>();
      const model: number[] = [];
      for (const step of steps) {
        if (step === null) {
          model.sort((a, b) => a - b);
          expect(heap.pop()).toBe(model.shift());
        } else {
          heap.push(step, step);
          model.push(step);
        }
        expect(heap.size).toBe(model.length);
        expect(heap.minKey).toBe(Math.min(...model));
      }
    }),
    { seed: 20_260_109, numRuns: 200 },
  );
});

test('an item that is undefined is an item', () => {
  const heap = new Heap<undefined>();
  heap.push(1, undefined);
  heap.push(2, undefined);
  heap.pop();
  expect(heap.size).toBe(1);
});
