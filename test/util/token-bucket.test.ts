import { describe, expect, test } from 'vitest';
import { TokenBucket } from '../../src/util/token-bucket.ts';

describe('a limited bucket', () => {
  test('starts with one burst', () => {
    expect(new TokenBucket(1_000, 500, 0).available(0)).toBe(500);
  });

  test('fills with time, up to one burst', () => {
    const bucket = new TokenBucket(1_000, 500, 0);
    bucket.take(500);
    expect(bucket.available(0)).toBe(0);
    expect(bucket.available(100)).toBe(100);
    expect(bucket.available(150)).toBe(150);
    expect(bucket.available(100_000)).toBe(500);
  });

  test('pays a debt first, so the rate over time is exact whatever a single take is', () => {
    const bucket = new TokenBucket(10_000, 100, 0);
    let taken = 0;
    for (let now = 0; now <= 60_000; now += 50) {
      if (bucket.available(now) > 0) {
        bucket.take(16_384);
        taken += 16_384;
      }
    }
    expect(Math.abs(taken - 60 * 10_000)).toBeLessThanOrEqual(16_384 + 1_000);
  });

  test('keeps what it earned before the rate changed, and no more than the new burst', () => {
    const bucket = new TokenBucket(1_000, 1_000, 0);
    expect(bucket.available(0)).toBe(1_000);
    bucket.bytesPerSec = 100;
    expect(bucket.available(0)).toBe(100);
    bucket.take(100);
    bucket.bytesPerSec = 10_000;
    expect(bucket.available(10)).toBe(100);
  });
});

describe('a debt, when the rate changes', () => {
  const free = (bucket: TokenBucket): number => {
    let now = 0;
    while (bucket.available(now) < 0) now += 10;
    return now;
  };

  test('from a far higher one is waited for a second', () => {
    const bucket = new TokenBucket(50_000_000, 100, 0);
    bucket.take(5_000_000 + 10_000_000);
    bucket.bytesPerSec = 100_000;
    expect(free(bucket)).toBe(1_000);
  });

  test('that was long already becomes no longer, and no shorter than the change explains', () => {
    const bucket = new TokenBucket(1_000, 100, 0);
    bucket.take(100 + 16_000);
    bucket.bytesPerSec = 900;
    expect(free(bucket)).toBe(16_000);
  });

  test('to a higher one is paid in full, and sooner', () => {
    const bucket = new TokenBucket(1_000, 100, 0);
    bucket.take(100 + 16_000);
    bucket.bytesPerSec = 2_000;
    expect(bucket.available(0)).toBe(-16_000);
    expect(free(bucket)).toBe(8_000);
  });

  test('and to the same one stays what it is, however often', () => {
    const bucket = new TokenBucket(1_000, 100, 0);
    bucket.take(100 + 16_000);
    for (let i = 0; i < 10; i++) bucket.bytesPerSec = 1_000;
    expect(bucket.available(0)).toBe(-16_000);
  });

  test('is forgiven while there is no limit', () => {
    const bucket = new TokenBucket(50_000_000, 100, 0);
    bucket.take(500_000_000);
    bucket.bytesPerSec = Infinity;
    bucket.bytesPerSec = 1_000;
    expect(bucket.available(0)).toBe(0);
  });
});

describe('an unlimited bucket', () => {
  test('always has enough and counts nothing', () => {
    const bucket = new TokenBucket(Infinity, 500, 0);
    bucket.take(10 ** 12);
    expect(bucket.isUnlimited).toBe(true);
    expect(bucket.available(0)).toBe(Infinity);
  });

  test('earns nothing for the time before it is limited', () => {
    const bucket = new TokenBucket(Infinity, 1_000, 0);
    bucket.available(100_000);
    bucket.bytesPerSec = 1_000;
    expect(bucket.available(100_000)).toBeLessThanOrEqual(1_000);
    expect(Number.isNaN(bucket.available(100_001))).toBe(false);
  });

  test('that was limited and in debt is free at once', () => {
    const bucket = new TokenBucket(1_000, 100, 0);
    bucket.take(1_000_000);
    bucket.bytesPerSec = Infinity;
    expect(bucket.available(1)).toBe(Infinity);
    bucket.bytesPerSec = 1_000;
    expect(Number.isFinite(bucket.available(2))).toBe(true);
  });
});
