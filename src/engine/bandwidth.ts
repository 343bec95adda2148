import type { Cancel, Clock } from '../ports.ts';
import { TokenBucket } from '../util/token-bucket.ts';

/** How often waiting peers get new tokens. Short enough for even flow, long enough to cost nothing. */
const REFILL_INTERVAL_MS = 50;
/** Bytes a limit may let through at once, as time. Two refills, so that a late timer loses nothing. */
const BURST_MS = 2 * REFILL_INTERVAL_MS;

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

  constructor(clock: Clock, bytesPerSec: number) {
    this.#clock = clock;
    this.#global = new TokenBucket(bytesPerSec, BURST_MS, clock.now());
  }

  setLimit(bytesPerSec: number): void {
    this.#global.bytesPerSec = bytesPerSec;
  }

  /** The share of one torrent, with a limit of its own; `onBug` hears what its waiters throw. */
  share(bytesPerSec: number, onBug: ((error: unknown) => void) | null = null): BandwidthShare {
    return new BandwidthShare(this, this.#global, this.bucketOf(bytesPerSec), onBug);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#waiting = [];
  }

  /** @internal for BandwidthShare. Null without a limit: that is how nearly all torrents are. */
  bucketOf(bytesPerSec: number): TokenBucket | null {
    return bytesPerSec === Infinity ? null : new TokenBucket(bytesPerSec, BURST_MS, this.#clock.now());
  }

  /** @internal for BandwidthShare */
  wait(waiter: TokenWaiter, share: BandwidthShare): void {
    this.#waiting.push({ waiter, share });
    this.#arm(this.#clock.now());
  }

  /** Wakes waiters in order of waiting; those that must wait on stay ahead of those that had their turn. */
  #refill(): void {
    this.#timer = null;
    const waiting = this.#waiting;
    this.#waiting = [];
    const now = this.#clock.now();
    const passedOver = waiting.filter(({ waiter, share }) => {
      if (share.available(now) <= 0) return true;
      share.wake(waiter, now);
      return false;
    });
    this.#waiting.unshift(...passedOver);
    if (this.#waiting.length > 0) this.#arm(now);
  }

  #arm(now: number): void {
    this.#timer ??= this.#clock.at(now + REFILL_INTERVAL_MS, () => this.#refill());
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

  setLimit(bytesPerSec: number): void {
    if (this.#own && bytesPerSec !== Infinity) this.#own.bytesPerSec = bytesPerSec;
    else this.#own = this.#bandwidth.bucketOf(bytesPerSec);
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
