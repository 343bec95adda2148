import { expect, test } from 'vitest';
import { copyBytes } from '../../src/util/copy-bytes.ts';

const source = Uint8Array.from({ length: 300 }, (_, i) => i % 251);

test.each([
  ['memory of its own', new Uint8Array(400)],
  ['memory that threads share', new Uint8Array(new SharedArrayBuffer(400))],
  ['a stretch of shared memory', new Uint8Array(new SharedArrayBuffer(500), 37, 400)],
])('bytes go to their place in %s, and nowhere else', (_, target) => {
  for (const [from, to, length] of [
    [0, 0, 300],
    [13, 5, 200],
    [299, 399, 1],
    [1, 2, 17],
  ] as const) {
    target.fill(255);
    copyBytes(source.subarray(from, from + length), target, to);
    const expected = new Uint8Array(400).fill(255);
    expected.set(source.subarray(from, from + length), to);
    expect([...target]).toEqual([...expected]);
  }
  expect(() => copyBytes(source, target, 101)).toThrow(RangeError);
});
