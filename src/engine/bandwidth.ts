import type { Cancel, Clock } from '../ports.ts';
import { TokenBucket } from '../util/token-bucket.ts';

/**
 * Rate limits: who used up the tokens waits until there are enough for a turn, and then takes them in one go. To wake up
 * costs a process about 0.2 ms whatever it does then, as its caches have gone cold.
 */

/** Short enough for even flow. 25 ms cost 15 % more CPU per byte at 35 MB/s, and 84 ms save 3 %. */
const TURN_MS = 50;

/** Bytes a limit may let through at once, as time. Two turns, so that a late timer loses nothing. */
const BURST_MS = 2 * TURN_MS;

/** What one connection may read at a time: a part of a block where the limit is low, else what a socket gives at once. */
const READ_BYTES_MIN = 4_096;
const READ_BYTES_MAX = 524_288;

/** Somebody who stopped for lack of tokens. */
export interface TokenWaiter {
  /** Tokens are there again; may take some and may wait again. */
  onTokens(now: number): void;
}

/**
 * One direction of traffic under a limit for the client and one for each torrent. Without a limit nothing is counted
 * and no timer runs.
 */
export class Bandwidth {
  readonly #clock: Clock;
  readonly #global: TokenBucket;
  #waiting: { waiter: TokenWaiter; share: BandwidthShare }[] = [];
  #timer: Cancel | null = null;
  #armedFor = Infinity;

  constructor(clock: Clock, bytesPerSec: number) {
    this.#clock = clock;
    this.#global = new TokenBucket(bytesPerSec, BURST_MS, clock.now());
  }

  setLimit(bytesPerSec: number): void {
    this.#global.bytesPerSec = bytesPerSec;
    this.onLimit();
  }

  /** The share of one torrent, with a limit of its own; `onBug` hears what its waiters throw. */
  share(bytesPerSec: number, onBug: ((error: unknown) => void) | null = null): BandwidthShare {
    return new BandwidthShare(this, this.#global, this.bucketOf(bytesPerSec), onBug);
  }

  close(): void {
    this.#disarm();
    this.#waiting = [];
  }

  /** @internal for BandwidthShare. Null without a limit: that is how nearly all torrents are. */
  bucketOf(bytesPerSec: number): TokenBucket | null {
    return bytesPerSec === Infinity ? null : new TokenBucket(bytesPerSec, BURST_MS, this.#clock.now());
  }

  /** @internal for BandwidthShare: a limit has changed, and the time until which all wait with it. */
  onLimit(): void {
    if (this.#timer === null) return;
    this.#disarm();
    this.#arm(this.#clock.now());
  }

  /** @internal for BandwidthShare */
  wait(waiter: TokenWaiter, share: BandwidthShare): void {
    this.#waiting.push({ waiter, share });
    this.#arm(share.readyAt(this.#clock.now()));
  }

  /** Wakes waiters in order of waiting; those that must wait on stay ahead of those that had their turn. */
  #refill(): void {
    this.#disarm();
    const waiting = this.#waiting;
    this.#waiting = [];
    const now = this.#clock.now();
    let next = Infinity;
    const passedOver = waiting.filter(({ waiter, share }) => {
      if (share.available(now) <= 0) {
        next = Math.min(next, share.readyAt(now));
        return true;
      }
      share.wake(waiter, now);
      return false;
    });
    this.#waiting.unshift(...passedOver);
    this.#arm(next);
  }

  #arm(time: number): void {
    if (time >= this.#armedFor) return;
    this.#timer?.cancel();
    this.#armedFor = time;
    this.#timer = this.#clock.at(time, () => this.#refill());
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#armedFor = Infinity;
  }
}

/** What one torrent may use of one direction. */
export class BandwidthShare {
  readonly #bandwidth: Bandwidth;
  readonly #global: TokenBucket;
  #own: TokenBucket | null;
  readonly #onBug: ((error: unknown) => void) | null;

  constructor(
    bandwidth: Bandwidth,
    global: TokenBucket,
    own: TokenBucket | null,
    onBug: ((error: unknown) => void) | null,
  ) {
    this.#bandwidth = bandwidth;
    this.#global = global;
    this.#own = own;
    this.#onBug = onBug;
  }

  get isUnlimited(): boolean {
    return this.#global.isUnlimited && this.#own === null;
  }

  /** What one connection may read at a time. More would be followed by a long silence, and the others want their turns. */
  get bytesAtOnce(): number {
    if (this.isUnlimited) return Infinity;
    const bytesPerSec = Math.min(this.#global.bytesPerSec, this.#own?.bytesPerSec ?? Infinity);
    return Math.min(READ_BYTES_MAX, Math.max(READ_BYTES_MIN, turnBytes(bytesPerSec)));
  }

  setLimit(bytesPerSec: number): void {
    if (this.#own && bytesPerSec !== Infinity) this.#own.bytesPerSec = bytesPerSec;
    else this.#own = this.#bandwidth.bucketOf(bytesPerSec);
    this.#bandwidth.onLimit();
  }

  /** Bytes that may pass at `now`; zero or less: wait. */
  available(now: number): number {
    return Math.min(this.#global.available(now), this.#own?.available(now) ?? Infinity);
  }

  take(bytes: number): void {
    this.#global.take(bytes);
    this.#own?.take(bytes);
  }

  wait(waiter: TokenWaiter): void {
    this.#bandwidth.wait(waiter, this);
  }

  /** @internal for Bandwidth: when there will be enough for a turn. */
  readyAt(now: number): number {
    return Math.max(readyAt(this.#global, now), this.#own ? readyAt(this.#own, now) : now);
  }

  /** @internal for Bandwidth */
  wake(waiter: TokenWaiter, now: number): void {
    try {
      waiter.onTokens(now);
    } catch (error) {
      // The timer is everybody's, the bug is this torrent's.
      if (!this.#onBug) throw error;
      this.#onBug(error);
    }
  }
}

function readyAt(bucket: TokenBucket, now: number): number {
  if (bucket.isUnlimited) return now;
  const missing = turnBytes(bucket.bytesPerSec) - bucket.available(now);
  return now + (1000 * missing) / bucket.bytesPerSec;
}

function turnBytes(bytesPerSec: number): number {
  return Math.ceil((bytesPerSec * TURN_MS) / 1000);
}
