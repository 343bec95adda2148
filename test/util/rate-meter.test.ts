import { describe, expect, test } from 'vitest';
import { RateMeter } from '../../src/util/rate-meter.ts';

describe('the rate', () => {
  test('is zero before anything was counted', () => {
    const meter = new RateMeter();
    expect(meter.rate(0)).toBe(0);
    expect(meter.rate(1_000_000)).toBe(0);
    expect(meter.total).toBe(0);
  });

  test('of a steady flow is its rate, from the first seconds on', () => {
    const meter = new RateMeter(20);
    for (let now = 5_000; now <= 65_000; now += 100) {
      meter.add(1_000, now);
      if (now >= 7_000) expect(meter.rate(now)).toBeCloseTo(10_000, -3.5);
    }
  });

  test('of a burst is spread over the window and gone after it', () => {
    const meter = new RateMeter(10);
    meter.add(0, 0);
    meter.add(100_000, 30_500);
    expect(meter.rate(30_500)).toBe(10_000);
    expect(meter.rate(39_900)).toBe(10_000);
    expect(meter.rate(41_000)).toBe(0);
  });

  test('falls as seconds leave the window', () => {
    const meter = new RateMeter(4);
    meter.add(0, 0);
    for (const second of [10, 11, 12, 13]) meter.add(400, second * 1000);
    expect([13, 14, 15, 16, 17].map((second) => meter.rate(second * 1000))).toEqual([400, 300, 200, 100, 0]);
  });

  test('of a first burst counts one second at least', () => {
    const meter = new RateMeter(20);
    meter.add(5_000, 123_456);
    expect(meter.rate(123_457)).toBe(5_000);
  });

  test('is right again after a pause of any length', () => {
    const meter = new RateMeter(5);
    meter.add(1_000, 1_000);
    meter.add(5_000, 1_000_000_000);
    expect(meter.rate(1_000_000_000)).toBe(1_000);
  });

  test('is the same for fractions of milliseconds', () => {
    const meter = new RateMeter(5);
    meter.add(1_000, 999.9);
    meter.add(1_000, 1_000.1);
    expect(meter.rate(1_000.2)).toBe(2_000);
  });
});

test('the total counts all bytes ever', () => {
  const meter = new RateMeter(2);
  meter.add(10, 0);
  meter.add(20, 100_000);
  expect(meter.total).toBe(30);
});
