import { describe, expect, test } from 'vitest';
import {
  AnnounceLimiter,
  type AnnouncePlace,
  type AnnounceRank,
} from '../../../src/engine/discovery/announce-limiter.ts';
import { sendAnnounce } from '../../../src/engine/discovery/announce-transport.ts';
import { UdpTrackerClient } from '../../../src/engine/discovery/udp-tracker-client.ts';
import { VirtualClock } from '../../../src/sim/virtual-clock.ts';
import { parseTrackerUrl } from '../../../src/tracker/tracker-url.ts';

/** A limiter whose announces are over at once, or stay under way. */
class Bench {
  readonly clock = new VirtualClock();
  readonly limiter = new AnnounceLimiter(this.clock);
  readonly begun: { readonly host: string; readonly at: number }[] = [];
  readonly running: AnnouncePlace[] = [];

  enter(host: string, options: { rank?: AnnounceRank; stays?: boolean } = {}): AnnouncePlace {
    return this.limiter.enter(host, options.rank ?? 'usual', (place) => {
      this.begun.push({ host, at: this.clock.now() });
      if (options.stays) this.running.push(place);
      else place.leave();
    });
  }

  enterMany(count: number, host: (i: number) => string, stays = false): AnnouncePlace[] {
    return Array.from({ length: count }, (_, i) => this.enter(host(i), { stays }));
  }

  /** How many began from one time to another. */
  between(from: number, to: number, host?: string): number {
    const isMeant = (each: string): boolean => host === undefined || each === host;
    return this.begun.filter((each) => isMeant(each.host) && each.at >= from && each.at < to).length;
  }
}

describe('announces', () => {
  test('begin a hundred times a second over all hosts, after a burst of half as many', () => {
    const bench = new Bench();
    bench.enterMany(1000, (i) => `host${i % 20}`);
    expect(bench.begun).toHaveLength(50);
    bench.clock.run(5000);
    for (let second = 0; second < 5; second++) {
      expect(bench.between(1000 * second + 1, 1000 * second + 1001)).toBeGreaterThanOrEqual(95);
      expect(bench.between(1000 * second + 1, 1000 * second + 1001)).toBeLessThanOrEqual(105);
    }
  });

  test('begin fifty times a second at one host, and do not hold up another', () => {
    const bench = new Bench();
    bench.enterMany(1000, () => 'busy');
    expect(bench.begun).toHaveLength(25);
    bench.enter('quiet');
    expect(bench.begun.at(-1)!.host).toBe('quiet');
    bench.clock.run(4000);
    expect(bench.between(1, 4001, 'busy')).toBeGreaterThanOrEqual(190);
    expect(bench.between(1, 4001, 'busy')).toBeLessThanOrEqual(205);
  });

  test('are fifty under way at most, sixteen of them at one host', () => {
    const bench = new Bench();
    bench.enterMany(30, () => 'slow', true);
    bench.clock.run(10_000);
    expect(bench.limiter.running).toBe(16);
    bench.enterMany(100, (i) => `host${i}`, true);
    bench.clock.run(20_000);
    expect(bench.limiter.running).toBe(50);
    bench.running[0]!.leave();
    bench.clock.run(30_000);
    expect(bench.limiter.running).toBe(50);
    expect(bench.begun).toHaveLength(51);
  });

  test('of those who leave wait for a place, and never for time; wanted ones come before usual ones', () => {
    const bench = new Bench();
    bench.enterMany(25, () => 'a');
    const order: string[] = [];
    for (const rank of ['usual', 'wanted', 'leaving'] as const) {
      bench.limiter.enter('a', rank, (place) => {
        order.push(rank);
        place.leave();
      });
    }
    expect(order).toEqual(['leaving']);
    bench.clock.run(1000);
    expect(order).toEqual(['leaving', 'wanted', 'usual']);
  });

  test('that are given up before their turn never begin', () => {
    const bench = new Bench();
    const places = bench.enterMany(100, () => 'a');
    for (const place of places) place.leave();
    bench.clock.run(10_000);
    expect(bench.begun).toHaveLength(25);
  });
});

describe('when the client ends', () => {
  test('an announce that is given up begins none of those behind it', () => {
    const bench = new Bench();
    const places = bench.enterMany(10_000, (i) => `host${i % 100}`, true);
    expect(bench.begun).toHaveLength(50);
    bench.limiter.close();
    for (const place of places) place.leave();
    bench.clock.run(10_000);
    expect(bench.begun).toHaveLength(50);
    expect(bench.limiter.running).toBe(0);
  });

  test('thousands leave a few at a time, and none of them when it is too late for an answer', () => {
    const bench = new Bench();
    bench.limiter.close();
    for (let i = 0; i < 10_000; i++) bench.enter(`host${i % 100}`, { rank: 'leaving' });
    expect(bench.begun.length).toBeLessThanOrEqual(5);
    bench.clock.run(10_000);
    for (let at = 0; at < 2000; at += 5) expect(bench.between(at, at + 5)).toBeLessThanOrEqual(5);
    expect(bench.between(0, 1000)).toBeGreaterThanOrEqual(950);
    expect(bench.begun.length).toBe(bench.between(0, 2000));
    expect(bench.limiter.endsAt).toBe(2500);
  });

  test('no more of those who leave are under way than otherwise', () => {
    const bench = new Bench();
    bench.limiter.close();
    for (let i = 0; i < 1000; i++) bench.enter(`host${i % 100}`, { rank: 'leaving', stays: true });
    bench.clock.run(10_000);
    expect(bench.limiter.running).toBe(50);
  });

  test('who leaves is still heard', () => {
    const bench = new Bench();
    bench.limiter.close();
    for (let i = 0; i < 40; i++) bench.enter('a', { rank: 'leaving' });
    bench.enter('a');
    bench.clock.run(10_000);
    expect(bench.begun).toHaveLength(40);
  });
});

test.each([
  ['one host', 1, 275],
  ['twenty hosts', 20, 550],
])(
  'announces to UDP trackers at %s are paced as all others, though they hold no place',
  (_, hosts, expected) => {
    const clock = new VirtualClock();
    const looked: string[] = [];
    const udp = new UdpTrackerClient({
      clock,
      entropy: { bytes: (count) => new Uint8Array(count) },
      datagrams: { send: () => undefined, onMessage: () => nothing, supports: () => true },
      resolver: {
        resolve: (host) => {
          looked.push(host);
          return nothing;
        },
      },
    });
    const limiter = new AnnounceLimiter(clock);
    const transports = { http: null, udp, limiter, refuseLocal: false };
    for (let i = 0; i < 1000; i++) {
      const url = parseTrackerUrl(`udp://host${i % hosts}.example:80/announce`)!;
      const announcement = { url, family: 4 as const, rank: 'usual' as const, trackerId: null, request };
      sendAnnounce(transports, announcement, () => undefined);
    }
    clock.run(5000);
    expect(limiter.running).toBe(0);
    expect(Math.abs(looked.length - expected)).toBeLessThanOrEqual(10);
  },
);

const nothing = { cancel: () => undefined };
const request = () => ({
  infoHash: new Uint8Array(20),
  peerId: new Uint8Array(20),
  port: 1,
  uploaded: 0,
  downloaded: 0,
  left: 1,
  event: null,
  key: 1,
  numWant: 1,
});
