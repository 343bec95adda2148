import { describe, expect, test } from 'vitest';
import type { Slab } from '../../src/util/slab-pool.ts';
import { SlabPool } from '../../src/util/slab-pool.ts';

describe('the cap', () => {
  test('bounds what is lent', () => {
    const pool = new SlabPool(300);
    const slabs = [pool.take(100), pool.take(100), pool.take(100)];
    expect(slabs.every((slab) => slab?.bytes.length === 100)).toBe(true);
    expect(pool.take(100)).toBeNull();
    expect(pool.lentBytes).toBe(300);
    pool.give(slabs[0]!);
    expect(pool.lentBytes).toBe(200);
    expect(pool.take(100)).not.toBeNull();
  });

  test('grants two slabs of any size, so that huge pieces can move', () => {
    const pool = new SlabPool(100);
    expect(pool.take(1_000)).not.toBeNull();
    expect(pool.take(1_000)).not.toBeNull();
    expect(pool.take(1_000)).toBeNull();
  });

  test('holds for kept slabs too: those of other sizes make room', () => {
    const pool = new SlabPool(300);
    const small = [takeOf(pool, 100), takeOf(pool, 100), takeOf(pool, 100)];
    for (const slab of small) pool.give(slab);
    const large = takeOf(pool, 300);
    pool.give(large);
    expect(small).not.toContain(takeOf(pool, 100));
    expect(pool.lentBytes).toBe(100);
  });
});

describe('slabs', () => {
  test('are lent again as they are', () => {
    const pool = new SlabPool(1_000);
    const slab = takeOf(pool, 100);
    slab.bytes[0] = 7;
    pool.give(slab);
    expect(pool.take(100)).toBe(slab);
    expect(slab.bytes[0]).toBe(7);
  });

  test('have exactly the size asked for', () => {
    const pool = new SlabPool(1_000);
    pool.give(takeOf(pool, 100));
    expect(takeOf(pool, 99).bytes).toHaveLength(99);
  });

  test('that nobody needs are dropped on request', () => {
    const pool = new SlabPool(1_000);
    const slab = takeOf(pool, 100);
    pool.give(slab);
    pool.releaseFree();
    expect(pool.take(100)).not.toBe(slab);
  });
});

test('lent bytes come back to zero after any sequence of takes and gives', () => {
  const pool = new SlabPool(5_000);
  const lent: Slab[] = [];
  for (let i = 0; i < 10_000; i++) {
    const size = [100, 700, 1_600][i % 3]!;
    const slab = (i * 7) % 5 < 3 ? pool.take(size) : null;
    if (slab) lent.push(slab);
    else if (lent.length > 0) pool.give(lent.splice((i * 13) % lent.length, 1)[0]!);
    const sum = lent.reduce((bytes, each) => bytes + each.capacity, 0);
    if (pool.lentBytes !== sum || sum > 5_000) expect.fail(`step ${i}: ${pool.lentBytes} lent, not ${sum}`);
  }
  for (const slab of lent) pool.give(slab);
  expect(pool.lentBytes).toBe(0);
});

function takeOf(pool: SlabPool, size: number): Slab {
  const slab = pool.take(size);
  if (!slab) throw new Error(`no slab of ${size} bytes`);
  return slab;
}
