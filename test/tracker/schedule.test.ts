import { describe, expect, test } from 'vitest';
import { AnnounceSchedule } from '../../src/tracker/schedule.ts';
import { Rng } from '../../src/util/rng.ts';

const HOUR = 3_600_000;

describe('the schedule of announces', () => {
  test('starts at once with started, and goes on at the interval without event', () => {
    const schedule = fresh();
    expect(schedule.dueAt).toBeLessThanOrEqual(0);
    expect(schedule.begin(0)).toBe('started');
    expect(schedule.dueAt).toBe(Infinity);
    schedule.succeeded(100, 1800, null);
    expect(schedule.dueAt).toBe(100 + 1_800_000);
    expect(schedule.begin(schedule.dueAt)).toBeNull();
  });

  test('repeats started until it worked', () => {
    const schedule = fresh();
    for (let i = 0; i < 3; i++) {
      expect(schedule.begin(i)).toBe('started');
      schedule.failed(i);
    }
    expect(schedule.begin(9)).toBe('started');
    schedule.succeeded(9, 1800, null);
    expect(schedule.begin(10)).toBeNull();
  });

  test('says completed once, at once', () => {
    const schedule = started(1800);
    schedule.complete(5000);
    expect(schedule.dueAt).toBe(5000);
    expect(schedule.begin(5000)).toBe('completed');
    schedule.succeeded(5000, 1800, null);
    expect(schedule.begin(2_000_000)).toBeNull();
  });

  test('says completed after started when both come together', () => {
    const schedule = fresh();
    schedule.begin(0);
    schedule.complete(1);
    schedule.succeeded(2, 1800, null);
    expect(schedule.dueAt).toBe(2);
    expect(schedule.begin(2)).toBe('completed');
  });

  test('repeats completed until it worked', () => {
    const schedule = started(1800);
    schedule.complete(0);
    schedule.begin(0);
    schedule.failed(0);
    expect(schedule.begin(schedule.dueAt)).toBe('completed');
  });

  test('says nothing of completion to a tracker that never heard of us', () => {
    const schedule = fresh();
    schedule.complete(0);
    expect(schedule.begin(0)).toBe('started');
    schedule.succeeded(0, 1800, null);
    expect(schedule.begin(2_000_000)).toBeNull();
  });

  test.each([
    [null, 1800],
    [0, 1800],
    [-5, 1800],
    [1, 300],
    [299, 300],
    [2_147_484, 86_400],
    [2 ** 31, 86_400],
    [0xffff_ffff, 86_400],
    [Number.MAX_SAFE_INTEGER, 86_400],
  ])('takes an interval of %s seconds for %d', (interval, seconds) => {
    expect(started(interval).dueAt).toBe(seconds * 1000);
  });

  test('can be given a smaller bound for intervals', () => {
    const schedule = new AnnounceSchedule(new Rng(1), 1000);
    schedule.begin(0);
    schedule.succeeded(0, 10, null);
    expect(schedule.dueAt).toBe(10_000);
  });

  test('never announces regularly below the min interval of the tracker', () => {
    const schedule = fresh();
    schedule.begin(0);
    schedule.succeeded(0, 600, 900);
    expect(schedule.dueAt).toBe(900_000);
  });

  test.each([
    ['a tracker with a min interval of 5 s after that', 10, 5, 5000],
    ['a tracker with a min interval of 1 s after 5 s', 10, 1, 5000],
    ['a tracker with a min interval of 20 minutes after that', 1800, 1200, 1_200_000],
    ['a tracker without one after 5 minutes', 1800, null, 300_000],
    ['a tracker without one, but with a small interval, after a minute', 10, null, 60_000],
    ['no tracker before a nonsensical min interval of a day', 1800, 2 ** 40, 86_400_000],
  ])('lets the hungry ask %s', (_what, interval, minInterval, soonest) => {
    const schedule = fresh();
    schedule.begin(0);
    schedule.succeeded(0, interval, minInterval);
    schedule.hurry();
    expect(schedule.dueAt).toBe(soonest);
  });

  test('makes those who stay hungry twice as patient each time', () => {
    const schedule = fresh();
    const waits: number[] = [];
    let now = 0;
    for (let i = 0; i < 8; i++) {
      schedule.begin(now);
      schedule.succeeded(now, 300, 5);
      schedule.hurry();
      schedule.hurry();
      waits.push((schedule.dueAt - now) / 1000);
      now = schedule.dueAt;
    }
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 300, 5]);
  });

  test('backs off after failures up to an hour, and forgets them at the first success', () => {
    const schedule = fresh();
    const waits: number[] = [];
    let now = 0;
    for (let i = 0; i < 12; i++) {
      schedule.begin(now);
      schedule.failed(now);
      waits.push(schedule.dueAt - now);
      now = schedule.dueAt;
    }
    expect(waits[0]).toBeGreaterThanOrEqual(8000);
    expect(waits[0]).toBeLessThanOrEqual(12_000);
    for (const wait of waits) expect(wait).toBeLessThanOrEqual(1.2 * HOUR);
    expect(waits[11]).toBeGreaterThan(0.7 * HOUR);
    schedule.begin(now);
    schedule.succeeded(now, 1800, null);
    schedule.begin(now);
    schedule.failed(now);
    expect(schedule.dueAt - now).toBeLessThanOrEqual(12_000);
  });

  test('spreads clients that failed together', () => {
    const dues = [1, 2, 3, 4, 5].map((seed) => {
      const schedule = new AnnounceSchedule(new Rng(seed));
      schedule.begin(0);
      schedule.failed(0);
      return schedule.dueAt;
    });
    expect(new Set(dues).size).toBe(5);
  });

  test('asks a failing tracker at most once a minute, however much somebody wants it', () => {
    const schedule = fresh();
    for (let i = 0, now = 0; i < 10; i++) {
      schedule.begin(now);
      schedule.failed(now);
      now = schedule.dueAt;
    }
    const asked = schedule.askedAt;
    for (let i = 0; i < 1000; i++) schedule.hurry();
    expect(schedule.dueAt).toBe(asked + 60_000);
  });

  test('makes no storm of announces out of 10,000 errors, wishes and jumps of time', () => {
    const rng = new Rng(9);
    for (const answers of ['errors', 'answers', 'both']) {
      const schedule = fresh();
      let announces = 0;
      let now = 0;
      for (let i = 0; i < 10_000; i++) {
        schedule.hurry();
        if (schedule.dueAt <= now) {
          schedule.begin(now);
          announces++;
          const fails = answers === 'errors' || (answers === 'both' && rng.below(2) === 0);
          if (fails) schedule.failed(now);
          else schedule.succeeded(now, 0, 0);
        }
        now += rng.below(1000) === 0 ? HOUR : 1000;
      }
      // One announce in five seconds is what the most generous tracker allows, and only at first.
      const minutes = now / 60_000;
      expect(announces).toBeLessThan(minutes * 1.5);
      expect(announces).toBeGreaterThan(10);
    }
  });

  test('knows which trackers should hear stopped', () => {
    const schedule = fresh();
    expect(schedule.mayKnowUs).toBe(false);
    schedule.begin(0);
    expect(schedule.mayKnowUs).toBe(true); // The answer may be lost on its way back.
    schedule.failed(1);
    expect(schedule.mayKnowUs).toBe(false);
    schedule.begin(2);
    schedule.succeeded(3, 1800, null);
    expect(schedule.mayKnowUs).toBe(true);
  });
});

function fresh(): AnnounceSchedule {
  return new AnnounceSchedule(new Rng(1));
}

function started(interval: number | null): AnnounceSchedule {
  const schedule = fresh();
  schedule.begin(0);
  schedule.succeeded(0, interval, null);
  return schedule;
}
