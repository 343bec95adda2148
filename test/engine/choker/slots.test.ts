import { describe, expect, test } from 'vitest';
import { SLOTS_MAX, SLOTS_MIN, slotsFor } from '../../../src/engine/choker/slots.ts';

const KiB = 1024;

describe('upload slots', () => {
  test('are few on a slow uplink, and not without bound on a fast one', () => {
    expect(slotsFor(0, 256 * KiB)).toBe(SLOTS_MIN);
    expect(slotsFor(100_000, 256 * KiB)).toBe(SLOTS_MIN);
    expect(slotsFor(1e9, 256 * KiB)).toBe(SLOTS_MAX);
  });

  test('are fewer still where a block would take seconds through each of them', () => {
    expect(slotsFor(64 * KiB, 256 * KiB)).toBe(4);
    expect(slotsFor(32 * KiB, 256 * KiB)).toBe(2);
    expect(slotsFor(16 * KiB, 256 * KiB)).toBe(1);
    expect(slotsFor(1 * KiB, 256 * KiB)).toBe(1);
  });

  test('grow with the rate, but not so far that a piece takes long', () => {
    let before = 0;
    for (let rate = 1024; rate < 1e8; rate *= 2) {
      const slots = slotsFor(rate, 256 * KiB);
      expect(slots).toBeGreaterThanOrEqual(before);
      if (slots > SLOTS_MIN) expect((slots * 256 * KiB) / rate).toBeLessThanOrEqual(1.25);
      before = slots;
    }
    expect(slotsFor(1e6, 4096 * KiB)).toBe(SLOTS_MIN);
    expect(slotsFor(1e6, 16 * KiB)).toBe(24);
  });
});
