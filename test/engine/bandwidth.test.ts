import { describe, expect, test } from 'vitest';
import { Bandwidth, type BandwidthShare, type TokenWaiter } from '../../src/engine/bandwidth.ts';
import { ManualClock } from './support/manual-clock.ts';

describe('bandwidth', () => {
  test('without a limit nothing waits and no timer runs', () => {
    const clock = new ManualClock();
    const share = new Bandwidth(clock, Infinity).share(Infinity);
    share.take(1e12);
    expect(share.isUnlimited).toBe(true);
    expect(share.available(clock.now())).toBe(Infinity);
    expect(clock.pending).toBe(0);
  });

  test('a limit is held within two per cent over ten seconds, whatever the size of a take', () => {
    for (const size of [1, 1000, 16_384, 262_144]) {
      const clock = new ManualClock();
      const bandwidth = new Bandwidth(clock, 1_000_000);
      const sender = new Sender(bandwidth.share(Infinity), size);
      sender.onTokens(0);
      clock.advance(10_000);
      expect(sender.sent).toBeGreaterThan(10_000_000 * 0.98);
      expect(sender.sent).toBeLessThan(10_000_000 * 1.02 + size);
    }
  });

  test('torrents share the limit of the client, each within its own', () => {
    const clock = new ManualClock();
    const bandwidth = new Bandwidth(clock, 1_000_000);
    const small = new Sender(bandwidth.share(100_000), 1000);
    const large = new Sender(bandwidth.share(Infinity), 1000);
    small.onTokens(0);
    large.onTokens(0);
    clock.advance(10_000);
    expect(small.sent / 1_000_000).toBeCloseTo(1, 1);
    expect((small.sent + large.sent) / 10_000_000).toBeCloseTo(1, 1);
  });

  test('many that wait get equal parts', () => {
    const clock = new ManualClock();
    const bandwidth = new Bandwidth(clock, 1_000_000);
    const share = bandwidth.share(Infinity);
    const senders = Array.from({ length: 10 }, () => new Sender(share, 16_384));
    for (const sender of senders) sender.onTokens(0);
    clock.advance(60_000);
    for (const sender of senders) expect(sender.sent / 6_000_000).toBeCloseTo(1, 0);
  });

  test('whoever waits is woken once a turn', () => {
    const clock = new ManualClock();
    const share = new Bandwidth(clock, 10_000_000).share(Infinity);
    const woken: number[] = [];
    const waiter = {
      onTokens: (now: number) => {
        woken.push(now);
        share.take(share.available(now));
        share.wait(waiter);
      },
    };
    waiter.onTokens(0);
    clock.advance(1010);
    expect(woken).toHaveLength(21);
    expect(woken[1]).toBeCloseTo(50);
  });

  test('a debt is waited out in one sleep', () => {
    const clock = new ManualClock();
    const share = new Bandwidth(clock, 1000).share(Infinity);
    const waiter = { wokenAt: -1, onTokens: (now: number) => (waiter.wokenAt = now) };
    share.take(share.available(0) + 5000);
    share.wait(waiter);
    clock.advance(5040);
    expect(waiter.wokenAt).toBe(-1);
    clock.advance(20);
    expect(waiter.wokenAt).toBeCloseTo(5050);
  });

  test('what may be read at once is a part of a block under a low limit, and a full read under a high one', () => {
    const clock = new ManualClock();
    const atOnce = (bytesPerSec: number, own = Infinity): number =>
      new Bandwidth(clock, bytesPerSec).share(own).bytesAtOnce;
    expect(atOnce(1000)).toBe(4096);
    expect(atOnce(100_000)).toBe(5_000);
    expect(atOnce(50_000_000)).toBe(524_288);
    expect(atOnce(50_000_000, 100_000)).toBe(5_000);
    expect(atOnce(Infinity, 100_000)).toBe(5_000);
    expect(atOnce(Infinity)).toBe(Infinity);
  });

  test('a new limit counts for those who wait already', () => {
    const clock = new ManualClock();
    const share = new Bandwidth(clock, Infinity).share(1000);
    const waiter = { woken: 0, onTokens: () => waiter.woken++ };
    share.take(1_000_000);
    share.wait(waiter);
    clock.advance(1000);
    expect(waiter.woken).toBe(0);
    share.setLimit(Infinity);
    clock.advance(1);
    expect(waiter.woken).toBe(1);
    expect(clock.pending).toBe(0);
  });

  test('a limit that is lifted lets the waiting go on', () => {
    const clock = new ManualClock();
    const bandwidth = new Bandwidth(clock, 1000);
    const share = bandwidth.share(Infinity);
    const waiter = { woken: 0, onTokens: () => waiter.woken++ };
    share.take(1_000_000);
    share.wait(waiter);
    clock.advance(1000);
    expect(waiter.woken).toBe(0);
    bandwidth.setLimit(Infinity);
    clock.advance(1000);
    expect(waiter.woken).toBe(1);
    expect(clock.pending).toBe(0);
  });
});

/** Sends for as long as there are tokens, then waits. */
class Sender implements TokenWaiter {
  sent = 0;
  readonly #share: BandwidthShare;
  readonly #size: number;

  constructor(share: BandwidthShare, size: number) {
    this.#share = share;
    this.#size = size;
  }

  onTokens(now: number): void {
    while (this.#share.available(now) > 0) {
      this.#share.take(this.#size);
      this.sent += this.#size;
    }
    this.#share.wait(this);
  }
}
