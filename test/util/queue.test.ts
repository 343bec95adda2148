import { expect, test } from 'vitest';
import { Rng } from '../../src/util/rng.ts';
import { Queue } from '../../src/util/queue.ts';

test('a queue gives what an array gives, in any order of calls', () => {
  const rng = new Rng(7);
  const queue = new Queue<number>();
  const array: number[] = [];
  for (let i = 0; i < 50_000; i++) {
    const what = rng.below(100);
    if (what === 0) {
      queue.unshift(i, -i);
      array.unshift(i, -i);
      // Long queues and empty ones.
    } else if (what < (i % 10_000 < 5_000 ? 70 : 20)) {
      queue.push(i);
      array.push(i);
    } else {
      expect(queue.first).toBe(array[0]);
      expect(queue.shift()).toBe(array.shift());
    }
    expect(queue.size).toBe(array.length);
  }
});

test('an empty queue gives nothing', () => {
  const queue = new Queue<string>();
  expect(queue.shift()).toBeUndefined();
  expect(queue.first).toBeUndefined();
  queue.push('a');
  expect(queue.shift()).toBe('a');
  expect(queue.shift()).toBeUndefined();
  expect(queue.size).toBe(0);
});

test('a cleared queue is empty and goes on', () => {
  const queue = new Queue<string>();
  for (const item of ['a', 'b', 'c']) queue.push(item);
  queue.shift();
  queue.clear();
  expect(queue.size).toBe(0);
  expect(queue.shift()).toBeUndefined();
  queue.push('d');
  expect(queue.first).toBe('d');
});
