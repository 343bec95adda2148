import { describe, expect, test } from 'vitest';
import type { TrackerStanding } from '../../src/tracker/tiers.ts';
import { SLOW_ANSWER_MS, TrackerTiers, turnOf } from '../../src/tracker/tiers.ts';
import type { TrackerUrl } from '../../src/tracker/tracker-url.ts';
import { parseTrackerUrl } from '../../src/tracker/tracker-url.ts';
import { Rng } from '../../src/util/rng.ts';

describe('the tiers of a torrent', () => {
  test('keep their order and shuffle within, each client in its own way', () => {
    const orders = new Set<string>();
    for (let seed = 0; seed < 50; seed++) {
      const tiers = make(seed, [['http://a/', 'http://b/', 'http://c/'], ['http://d/']]);
      const [first, second] = texts(tiers);
      expect([...first!].sort()).toEqual(['http://a/', 'http://b/', 'http://c/']);
      expect(second).toEqual(['http://d/']);
      orders.add(first!.join());
    }
    expect(orders.size).toBe(6);
  });

  test('put the tracker that worked first in its tier', () => {
    const tiers = make(1, [['http://a/', 'http://b/', 'http://c/'], ['http://d/']]);
    const last = tiers.all[0]![2]!;
    const [first, second] = tiers.all[0]!;
    tiers.promote(last);
    expect(tiers.all[0]).toEqual([last, first, second]);
    expect(texts(tiers)[1]).toEqual(['http://d/']);
  });

  test('name a tracker once, even if the list names it often', () => {
    const tiers = make(1, [['http://a/'], ['http://A:80', 'http://b/'], ['http://b/']]);
    expect(texts(tiers)).toEqual([['http://a/'], ['http://b/']]);
  });

  test('hold at most 100 trackers', () => {
    const tiers = make(
      1,
      Array.from({ length: 500 }, (_, i) => [`http://t${i}/`]),
    );
    expect(tiers.all).toHaveLength(100);
  });

  test('treat UDP and HTTP at one host and port as one tracker, UDP first', () => {
    const http = 'http://a:1337/announce';
    const udp = 'udp://a:1337/announce';
    for (let seed = 0; seed < 10; seed++) {
      expect(texts(make(seed, [[http], ['http://b/'], [udp]]))).toEqual([[udp, http], ['http://b/']]);
      expect(texts(make(seed, [[udp], [http]]))).toEqual([[udp, http]]);
      expect(texts(make(seed, [[http, udp]]))).toEqual([[udp, http]]);
    }
    expect(texts(make(1, [['http://a:1/'], ['udp://a:2']]))).toHaveLength(2);
  });

  test('of a private torrent are one: it talks to one tracker at a time (BEP 27)', () => {
    const tiers = make(1, [['http://a/'], ['http://b/'], ['http://c/']], true);
    expect(texts(tiers)).toEqual([['http://a/', 'http://b/', 'http://c/']]);
  });
});

describe("a tier's turn", () => {
  const idle: TrackerStanding = { working: false, awaitedSince: null, dueAt: -Infinity, failing: false };
  const asked = (since: number): TrackerStanding => ({ ...idle, awaitedSince: since, dueAt: Infinity });
  const working = (dueAt: number): TrackerStanding => ({ ...idle, working: true, dueAt });
  const resting = (dueAt: number): TrackerStanding => ({ ...idle, failing: true, dueAt });

  test.each([
    ['asks the first tracker', [idle, idle], 0, 0, 0],
    ['waits for the answer of the first', [asked(0), idle], 1000, -1, SLOW_ANSWER_MS],
    ['asks the next one when the first is slow', [asked(0), idle], SLOW_ANSWER_MS, 1, SLOW_ANSWER_MS],
    ['asks the next one when the first failed', [resting(9000), idle], 0, 1, 0],
    ['leaves the others alone while one works', [working(5000), idle], 0, -1, 5000],
    ['asks the working one when it is due', [working(5000), idle], 5000, 0, 5000],
    ['waits for the earliest when all failed', [resting(9000), resting(7000)], 0, -1, 7000],
    ['asks a failed one again when it is due', [resting(9000), resting(7000)], 7000, 1, 7000],
    ['goes on to the one that works behind one that rests', [resting(9000), working(5000)], 0, -1, 5000],
    ['has nothing to wait for while the working one is asked', [working(Infinity)], 0, -1, Infinity],
    ['has nothing to do without trackers', [], 0, -1, Infinity],
  ] as const)('%s', (_what, tier, now, ask, wakeAt) => {
    expect(turnOf(tier, now)).toEqual({ ask, wakeAt });
  });
});

function make(seed: number, tiers: readonly (readonly string[])[], isPrivate = false): TrackerTiers {
  const made = new TrackerTiers(new Rng(seed), isPrivate);
  for (const tier of tiers) made.add(tier.map((text) => parseTrackerUrl(text)!));
  return made;
}

function texts(tiers: TrackerTiers): string[][] {
  return tiers.all.map((tier: readonly TrackerUrl[]) => tier.map((url) => url.text));
}
