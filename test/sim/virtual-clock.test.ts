import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';
import { Rng } from '../../src/util/rng.ts';

describe('the virtual clock', () => {
  test('runs events in order of their time, and moves to it', () => {
    const clock = new VirtualClock();
    const seen: number[] = [];
    for (const time of [30, 10, 20]) clock.at(time, () => seen.push(clock.now()));
    clock.run(Infinity);
    expect(seen).toEqual([10, 20, 30]);
  });

  test('runs events of the same time in the order they were asked for', () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    clock.at(5, () => {
      seen.push('a');
      clock.at(5, () => seen.push('d'));
      clock.at(1, () => seen.push('e'));
    });
    clock.at(5, () => seen.push('b'));
    clock.at(5, () => seen.push('c'));
    clock.run(5);
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(clock.now()).toBe(5);
  });

  test('never calls back in the turn it was called in, also for times in the past', () => {
    const clock = new VirtualClock();
    let called = false;
    clock.at(10, () => {
      clock.at(-1, () => (called = true));
      expect(called).toBe(false);
    });
    clock.step();
    expect(called).toBe(false);
    clock.step();
    expect(called).toBe(true);
    expect(clock.turn).toBe(2);
  });

  test('does not run what was cancelled, and takes no turn for it', () => {
    const clock = new VirtualClock();
    const event = clock.at(10, () => expect.unreachable());
    event.cancel();
    event.cancel();
    expect(clock.step()).toBe(false);
    expect(clock.turn).toBe(0);
  });

  test('cancelling what has run does nothing', () => {
    const clock = new VirtualClock();
    let runs = 0;
    const event = clock.at(1, () => runs++);
    clock.run(1);
    event.cancel();
    expect(runs).toBe(1);
  });

  test('runs up to a time and stands there, with later events still to come', () => {
    const clock = new VirtualClock();
    const seen: number[] = [];
    clock.at(100, () => seen.push(100));
    clock.at(101, () => seen.push(101));
    clock.run(100.5);
    expect(seen).toEqual([100]);
    expect(clock.now()).toBe(100.5);
    expect(clock.pending).toBe(1);
  });

  test('runs until a condition holds, and says if it did not within the time', () => {
    const clock = new VirtualClock();
    let count = 0;
    const again = () => {
      count++;
      clock.at(clock.now() + 10, again);
    };
    clock.soon(again);
    expect(clock.runUntil(() => count === 5, 1000)).toBe(true);
    expect(clock.now()).toBe(40);
    expect(clock.runUntil(() => count === 1000, 100)).toBe(false);
    expect(clock.now()).toBe(140);
  });

  test('stops a run in which time no longer moves', () => {
    const clock = new VirtualClock();
    const again = () => clock.soon(again);
    clock.soon(again);
    expect(() => clock.run(1)).toThrow(/stuck at 0 ms/);
  });

  test('keeps order among two hundred thousand events, half of them cancelled', () => {
    const clock = new VirtualClock();
    const rng = new Rng(1);
    let last = -1;
    let runs = 0;
    for (let i = 0; i < 200_000; i++) {
      const time = rng.below(1_000_000);
      const event = clock.at(time, () => {
        if (clock.now() === time && time >= last) runs++;
        last = time;
      });
      if (i % 2 === 1) event.cancel();
    }
    clock.run(Infinity);
    expect(runs).toBe(100_000);
  });
});
