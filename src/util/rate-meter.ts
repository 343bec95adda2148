/** Seconds over which a rate is averaged. BEP 3's textbooks rank peers by a 20 s average. */
export const RATE_WINDOW_SECONDS = 20;

/**
 * Bytes per second over a rolling window, fed with (bytes, now) and never with a timer.
 *
 * Buckets of one second; a meter that has lived for less than its window divides by its age, so a new peer's rate
 * is right from its first seconds.
 */
export class RateMeter {
  readonly #windowSeconds: number;
  /** Made when the first bytes come: most torrents and connections are idle. */
  #buckets: Float64Array | null = null;
  #second = -1;
  #first = -1;
  #sum = 0;
  #total = 0;

  constructor(windowSeconds: number = RATE_WINDOW_SECONDS) {
    this.#windowSeconds = windowSeconds;
  }

  /** All bytes ever counted. */
  get total(): number {
    return this.#total;
  }

  add(bytes: number, now: number): void {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) this.#advance(second);
    if (this.#first < 0) this.#first = now;
    this.#buckets![second % this.#windowSeconds]! += bytes;
    this.#sum += bytes;
    this.#total += bytes;
  }

  /** Bytes per second at `now`. */
  rate(now: number): number {
    if (this.#first < 0) return 0;
    const second = Math.floor(now / 1000);
    if (second !== this.#second) this.#advance(second);
    if (this.#sum === 0) return 0;
    const ageSeconds = Math.max(1, (now - this.#first) / 1000);
    return this.#sum / Math.min(this.#windowSeconds, ageSeconds);
  }

  #advance(second: number): void {
    const length = this.#windowSeconds;
    const buckets = (this.#buckets ??= new Float64Array(length));
    const steps = this.#second < 0 ? length : Math.min(length, second - this.#second);
    for (let i = 1; i <= steps; i++) {
      const slot = (second - steps + i + length) % length;
      this.#sum -= buckets[slot]!;
      buckets[slot] = 0;
    }
    if (this.#sum < 0.5) this.#sum = 0;
    this.#second = second;
  }
}
