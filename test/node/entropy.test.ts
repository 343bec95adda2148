import { expect, test } from 'vitest';
import { SystemEntropy } from '../../src/node/entropy.ts';

test('entropy gives as many bytes as asked for, different each time', () => {
  const entropy = new SystemEntropy();
  expect(entropy.bytes(0)).toHaveLength(0);
  const first = entropy.bytes(20);
  expect(first).toHaveLength(20);
  expect(entropy.bytes(20)).not.toEqual(first);
});
