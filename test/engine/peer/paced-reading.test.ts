import { describe, expect, test } from 'vitest';
import { Bandwidth, type BandwidthShare } from '../../../src/engine/bandwidth.ts';
import { PacedReading } from '../../../src/engine/peer/paced-reading.ts';
import type { PeerLink } from '../../../src/wire/link.ts';
import { BLOCK_LENGTH } from '../../../src/util/block-length.ts';
import { ManualClock } from '../support/manual-clock.ts';

const LIMIT = 100_000;
/** What a turn of 50 ms lets through. */
const AT_ONCE = 5_000;

describe('reading under a limit', () => {
  test('without a limit nothing is paused, paid or cut', () => {
    const { reader } = setUp(Infinity);
    reader.receive(1e9);
    expect(reader.heard).toEqual([]);
  });

  test('reads are cut to what a turn lets through, and again when the limit changes', () => {
    const { reader, share } = setUp(LIMIT);
    expect(reader.heard).toEqual([`limit ${AT_ONCE}`]);
    share.setLimit(2 * LIMIT);
    reader.receive(1);
    share.setLimit(Infinity);
    reader.receive(1);
    expect(reader.heard.slice(1)).toEqual([`limit ${2 * AT_ONCE}`, 'limit Infinity']);
  });

  test('whoever reads a little at a time never waits for long', () => {
    const { clock, reader } = setUp(LIMIT);
    reader.isEager = true;
    reader.read();
    clock.advance(60_000);
    expect(reader.received / 60 / LIMIT).toBeCloseTo(1, 1);
    expect(reader.longestSilence).toBeLessThanOrEqual(101);
  });

  test('of many that wait only as many go on as there are tokens for', () => {
    const clock = new ManualClock();
    const share = new Bandwidth(clock, Infinity).share(LIMIT);
    const readers = Array.from({ length: 50 }, () => new Reader(clock, share));
    for (const reader of readers) reader.isEager = true;
    for (const reader of readers) reader.read();
    clock.advance(10_000);
    const before = readers.map((reader) => reader.received);
    let least = Infinity;
    let most = 0;
    for (let second = 0; second < 30; second++) {
      const sum = readers.reduce((bytes, reader) => bytes + reader.received, 0);
      clock.advance(1000);
      const bytes = readers.reduce((all, reader) => all + reader.received, 0) - sum;
      least = Math.min(least, bytes);
      most = Math.max(most, bytes);
    }
    expect(least).toBeGreaterThan(0.7 * LIMIT);
    expect(most).toBeLessThan(1.3 * LIMIT);
    const gains = readers.map((reader, i) => reader.received - before[i]!);
    expect(Math.min(...gains)).toBeGreaterThan(0.5 * Math.max(...gains));
  });

  test('what was paid for and does not come goes to others after a second', () => {
    const { clock, share, reader } = setUp(LIMIT);
    reader.receive(20_000);
    expect(reader.pacing.isPaused).toBe(true);
    clock.advance(200);
    expect(reader.pacing.isPaused).toBe(false);
    const before = share.available(clock.now());
    reader.pacing.refund();
    expect(share.available(clock.now()) - before).toBe(AT_ONCE);
    reader.pacing.refund();
    expect(share.available(clock.now()) - before).toBe(AT_ONCE);
  });

  test('nothing is paid in advance for a peer that owes nothing', () => {
    const { clock, share, reader } = setUp(LIMIT);
    reader.owes = 0;
    reader.receive(20_000);
    clock.advance(200);
    const before = share.available(clock.now());
    reader.pacing.refund();
    expect(share.available(clock.now())).toBe(before);
  });
});

function setUp(bytesPerSec: number): { clock: ManualClock; share: BandwidthShare; reader: Reader } {
  const clock = new ManualClock();
  const share = new Bandwidth(clock, Infinity).share(bytesPerSec);
  return { clock, share, reader: new Reader(clock, share) };
}

/** A link with its session, reading from a peer that sends as fast as it may. */
class Reader {
  readonly pacing: PacedReading;
  readonly heard: string[] = [];
  received = 0;
  longestSilence = 0;
  owes = 8;
  /** There is always something to read. */
  isEager = false;
  readonly #clock: ManualClock;
  #most = 65_536;
  #isReading = true;
  #readAt = 0;

  constructor(clock: ManualClock, share: BandwidthShare) {
    this.#clock = clock;
    this.pacing = new PacedReading(this as unknown as PeerLink, share);
  }

  get receivedBytes(): number {
    return this.received;
  }

  limitReads(bytesMax: number): void {
    this.heard.push(`limit ${bytesMax}`);
    this.#most = Math.min(65_536, bytesMax);
  }

  pauseReading(): void {
    this.#isReading = false;
  }

  resumeReading(): void {
    this.#isReading = true;
    // A socket reads in a later turn.
    this.#clock.at(this.#clock.now(), () => this.read());
  }

  onTokens(): void {
    this.pacing.resume(this.owes);
  }

  read(): void {
    while (this.#isReading && this.isEager) this.receive(Math.min(this.#most, this.owes * BLOCK_LENGTH));
  }

  receive(bytes: number): void {
    this.longestSilence = Math.max(this.longestSilence, this.#clock.now() - this.#readAt);
    this.#readAt = this.#clock.now();
    this.received += bytes;
    this.pacing.onReceived(this.#clock.now(), this);
  }
}
