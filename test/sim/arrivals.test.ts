import { expect, test } from 'vitest';
import { Arrivals } from '../../src/sim/arrivals.ts';
import type { Unit } from '../../src/sim/flow.ts';
import { Rng } from '../../src/util/rng.ts';

test('units come in the order of their times, and those of one time in the order they were put in', () => {
  const rng = new Rng(1);
  const arrivals = new Arrivals();
  const waiting: { timeMs: number; unit: Unit }[] = [];
  for (let turn = 0; turn < 5000; turn++) {
    if (waiting.length === 0 || rng.below(100) < 55) {
      const timeMs = rng.below(20);
      const unit = unitAt(timeMs);
      arrivals.push(unit);
      waiting.push({ timeMs, unit });
    } else {
      waiting.sort((a, b) => a.timeMs - b.timeMs); // It is stable.
      const next = waiting.shift()!;
      expect(arrivals.nextMs).toBe(next.timeMs);
      expect(arrivals.shift()).toBe(next.unit);
    }
  }
});

test('when nothing is on its way the next comes never', () => {
  const arrivals = new Arrivals();
  expect(arrivals.nextMs).toBe(Infinity);
  expect(arrivals.shift()).toBeUndefined();
  arrivals.push(unitAt(3));
  arrivals.shift();
  expect(arrivals.nextMs).toBe(Infinity);
});

function unitAt(lastByteMs: number): Unit {
  return {
    flow: null as unknown as Unit['flow'],
    bytes: 1,
    isBulk: false,
    firstByteMs: 0,
    lastByteMs,
    hasLanded: false,
    earlier: null,
    later: null,
  };
}
