import { expect, test } from 'vitest';
import { LsdSchedule } from '../../src/lsd/schedule.ts';
import { Rng } from '../../src/util/rng.ts';

const MINUTE = 60_000;

/** Runs a schedule by its own deadlines and notes what it takes and when. */
function run(schedule: LsdSchedule, until: number) {
  const taken: { at: number; hashes: string[] }[] = [];
  for (let at = schedule.nextDeadline(); at <= until; at = schedule.nextDeadline()) {
    taken.push({ at, hashes: schedule.take(at) });
  }
  return taken;
}

test('a torrent is announced within a second, and every five minutes from then on, never to the second', () => {
  const schedule = new LsdSchedule(new Rng(1));
  schedule.add('a', 0);
  expect(schedule.take(0)).toEqual([]);
  const taken = run(schedule, 60 * MINUTE);
  expect(taken[0]!.at).toBeLessThanOrEqual(1000);
  const gaps = taken.slice(1).map(({ at }, i) => at - taken[i]!.at);
  expect(gaps.length).toBeGreaterThanOrEqual(10);
  for (const gap of gaps) {
    expect(gap).toBeGreaterThanOrEqual(5 * MINUTE);
    expect(gap).toBeLessThanOrEqual(5.5 * MINUTE);
  }
  expect(new Set(gaps).size).toBeGreaterThan(1);
});

test('there is one announcement a minute at most, whoever hurries and whatever is added', () => {
  const schedule = new LsdSchedule(new Rng(2));
  const times: number[] = [];
  for (let now = 0; now < 20 * MINUTE; now += 500) {
    if (now % 5000 === 0) schedule.add(`torrent ${now}`, now);
    schedule.hurry('torrent 0', now);
    if (schedule.take(now).length > 0) times.push(now);
  }
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  expect(times.length).toBeGreaterThan(10);
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(MINUTE);
});

test('a thousand torrents get their turns, a hundred at a time', () => {
  const schedule = new LsdSchedule(new Rng(3));
  for (let i = 0; i < 1000; i++) schedule.add(`torrent ${i}`, 0);
  const taken = run(schedule, 11 * MINUTE);
  for (const { hashes } of taken) expect(hashes.length).toBeLessThanOrEqual(100);
  expect(new Set(taken.flatMap(({ hashes }) => hashes)).size).toBe(1000);
});

test('what is removed is announced no more, and with nothing left there is no deadline', () => {
  const schedule = new LsdSchedule(new Rng(4));
  schedule.add('a', 0);
  schedule.add('b', 0);
  schedule.remove('a');
  schedule.hurry('a', 0);
  expect(run(schedule, 10 * MINUTE).flatMap(({ hashes }) => hashes)).not.toContain('a');
  schedule.remove('b');
  expect(schedule.nextDeadline()).toBe(Infinity);
});
