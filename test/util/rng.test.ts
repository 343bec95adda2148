import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/util/rng.ts';

test('the same seed draws the same numbers, another seed others', () => {
  expect(draws(new Rng(1))).toEqual(draws(new Rng(1)));
  expect(draws(new Rng(1))).not.toEqual(draws(new Rng(2)));
  expect(draws(new Rng(0)).some((value) => value !== 0)).toBe(true);
});

describe('forks', () => {
  test('depend on the seed and the label alone, not on what was drawn', () => {
    const fresh = new Rng(5);
    const used = new Rng(5);
    draws(used);
    expect(draws(used.fork('picker'))).toEqual(draws(fresh.fork('picker')));
    expect(draws(fresh.fork('choker'))).not.toEqual(draws(fresh.fork('picker')));
    expect(draws(new Rng(6).fork('picker'))).not.toEqual(draws(fresh.fork('picker')));
  });

  test('leave what they come from as it was', () => {
    const forked = new Rng(5);
    forked.fork('x');
    expect(draws(forked)).toEqual(draws(new Rng(5)));
  });

  test('of forks with different labels on the way differ', () => {
    const rng = new Rng(5);
    expect(draws(rng.fork('a').fork('c'))).not.toEqual(draws(rng.fork('b').fork('c')));
  });
});

describe('numbers', () => {
  test('below n are whole, in range, and all of them come', () => {
    const rng = new Rng(7);
    const seen = new Set<number>();
    for (let i = 0; i < 1_000; i++) seen.add(rng.below(6));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(rng.below(1)).toBe(0);
    expect(rng.below(2 ** 32)).toBeLessThan(2 ** 32);
  });

  test('are spread evenly: no tenth has more than a fifth over its share', () => {
    const rng = new Rng(8);
    const tenths = new Array<number>(10).fill(0);
    for (let i = 0; i < 20_000; i++) tenths[Math.floor(rng.float() * 10)]!++;
    expect(Math.max(...tenths)).toBeLessThan(2_400);
    expect(Math.min(...tenths)).toBeGreaterThan(1_600);
  });

  test('are of 32 bits without a sign', () => {
    const rng = new Rng(9);
    const values = Array.from({ length: 1_000 }, () => rng.u32());
    expect(values.every((value) => Number.isInteger(value) && value >= 0 && value < 2 ** 32)).toBe(true);
    expect(values.some((value) => value >= 2 ** 31)).toBe(true);
  });
});

describe('shuffling', () => {
  test('keeps all items and returns the same array', () => {
    const items = Array.from({ length: 100 }, (_, i) => i);
    const shuffled = new Rng(10).shuffle(items);
    expect(shuffled).toBe(items);
    expect(shuffled).not.toEqual([...shuffled].sort((a, b) => a - b));
    expect([...shuffled].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  test('brings every item to every place about as often', () => {
    const rng = new Rng(11);
    const counts = Array.from({ length: 4 }, () => [0, 0, 0, 0]);
    for (let i = 0; i < 8_000; i++)
      rng.shuffle([0, 1, 2, 3]).forEach((item, place) => counts[item]![place]!++);
    expect(counts.flat().every((count) => count > 1_800 && count < 2_200)).toBe(true);
  });

  test('of nothing and of one does nothing', () => {
    expect(new Rng(12).shuffle([])).toEqual([]);
    expect(new Rng(12).shuffle(['x'])).toEqual(['x']);
  });
});

function draws(rng: Rng): number[] {
  return Array.from({ length: 8 }, () => rng.u32());
}
