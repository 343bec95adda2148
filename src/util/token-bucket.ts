/** A debt left by a higher rate holds up the lower one no longer than this: nobody waits minutes for a limit he has just set. */
const KEPT_DEBT_MS = 1_000;

/**
 * A rate limit: tokens are bytes, refilled with time up to one `burstMs` worth. A take may leave a debt, which later
 * refills pay first, so the long-term rate is exact whatever the size of a single take.
 */
export class TokenBucket {
  #bytesPerSec: number;
  #tokens = 0;
  #refilledAt = 0;
  readonly #burstMs: number;

  constructor(bytesPerSec: number, burstMs: number, now: number) {
    this.#bytesPerSec = bytesPerSec;
    this.#burstMs = burstMs;
    this.#refilledAt = now;
    this.#tokens = this.#capacity;
  }

  get bytesPerSec(): number {
    return this.#bytesPerSec;
  }

  /** A debt takes no longer at the new rate than at the old one, or a second; no limit forgives it. */
  set bytesPerSec(value: number) {
    const debtMs = Math.max(KEPT_DEBT_MS, (-1000 * this.#tokens) / this.#bytesPerSec);
    this.#bytesPerSec = value;
    const debtMax = this.isUnlimited ? 0 : (value * debtMs) / 1000;
    this.#tokens = Math.max(-debtMax, Math.min(this.#tokens, this.#capacity));
  }

  /** True while nothing is limited: callers skip all accounting then. */
  get isUnlimited(): boolean {
    return this.#bytesPerSec === Infinity;
  }

  get #capacity(): number {
    return this.isUnlimited ? 0 : (this.#bytesPerSec * this.#burstMs) / 1000;
  }

  /** Tokens at `now`; zero or less means: wait. */
  available(now: number): number {
    if (this.isUnlimited) return Infinity;
    const earned = ((now - this.#refilledAt) / 1000) * this.#bytesPerSec;
    this.#tokens = Math.min(this.#capacity, this.#tokens + earned);
    this.#refilledAt = now;
    return this.#tokens;
  }

  take(bytes: number): void {
    if (!this.isUnlimited) this.#tokens -= bytes;
  }
}
