import { expect, test } from 'vitest';
import { Tokens } from '../../src/dht/tokens.ts';
import { sha1 } from '../../src/metainfo/info-hash.ts';
import { Rng } from '../../src/util/rng.ts';

const MINUTE = 60_000;
const KEY = new Uint8Array(20).fill(1);

function make(): Tokens {
  const rng = new Rng(1);
  return new Tokens(sha1, (count) => Uint8Array.from({ length: count }, () => rng.below(256)), 0);
}

test('a token is good for its address and key, and for nothing else', () => {
  const tokens = make();
  const token = tokens.make('1.2.3.4', KEY, 0);
  expect(tokens.isValid(token, '1.2.3.4', KEY, 1000)).toBe(true);
  expect(tokens.isValid(token, '1.2.3.5', KEY, 1000)).toBe(false);
  expect(tokens.isValid(token, '1.2.3.4', new Uint8Array(20), 1000)).toBe(false);
  expect(tokens.isValid(token.subarray(0, 3), '1.2.3.4', KEY, 1000)).toBe(false);
  expect(tokens.isValid(new Uint8Array(0), '1.2.3.4', KEY, 1000)).toBe(false);
  expect(tokens.isValid(new Uint8Array(8), '1.2.3.4', KEY, 1000)).toBe(false);
});

test('a token lives at least five minutes and at most ten', () => {
  for (const madeAt of [0, 1, 4.9 * MINUTE, 5 * MINUTE, 12 * MINUTE]) {
    const tokens = make();
    const token = tokens.make('1.2.3.4', KEY, madeAt);
    expect(tokens.isValid(token, '1.2.3.4', KEY, madeAt + 5 * MINUTE - 1)).toBe(true);
    expect(tokens.isValid(token, '1.2.3.4', KEY, madeAt + 11 * MINUTE)).toBe(false);
  }
});

test('a token does not outlive ten minutes in which nobody asked', () => {
  const tokens = make();
  const token = tokens.make('1.2.3.4', KEY, 0);
  expect(tokens.isValid(token, '1.2.3.4', KEY, 10 * MINUTE)).toBe(false);
});

test('works for IPv6', () => {
  const tokens = make();
  const token = tokens.make('2001:db8::1', KEY, 0);
  expect(tokens.isValid(token, '2001:db8::1', KEY, 0)).toBe(true);
  expect(tokens.isValid(token, '2001:db8::2', KEY, 0)).toBe(false);
});
