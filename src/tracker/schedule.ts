/**
 * When to announce what, to one tracker over one address family.
 *
 * - `started` until it worked once, then `completed` once if that happens, then nothing but the time (BEP 3).
 * - The tracker's `interval` is obeyed within bounds, so that no answer can silence us or turn us into a flood.
 * - Whoever has few peers may ask earlier (BEP 3), though never within the tracker's `min interval`, and each time
 *   in a row twice as patiently.
 * - After a failure the waits grow by 2.5 up to an hour, spread by chance so that a swarm does not return as one.
 *
 * Knows no timer and no network: `now` comes in, `dueAt` goes out.
 */
import { assert } from '../util/assert.ts';
import type { Rng } from '../util/rng.ts';
import type { AnnounceEvent } from './announce.ts';

const SECOND = 1000;

/** Half an hour is what most trackers ask for. */
const INTERVAL_DEFAULT_MS = 1800 * SECOND;
/** No tracker needs to hear from us more often than every 5 minutes; libtorrent's lower bound too. */
export const INTERVAL_FLOOR_MS = 300 * SECOND;
/** A day. Also keeps every wait far below 2^31 ms, where timers overflow. */
const INTERVAL_MAX_MS = 86_400 * SECOND;
/** Early announces to trackers that name no `min interval`: not before this, whatever their interval. */
const MIN_INTERVAL_UNNAMED_MS = 60 * SECOND;
/**
 * First wait of an early announce, doubled each time in a row. A tracker's `min interval` may ask for more, not for
 * less.
 */
const EARLY_MS = 5 * SECOND;
/** Waits after failures: 10 s, 25 s, 63 s, … an hour. The factor is libtorrent's. */
const BACKOFF_MS = 10 * SECOND;
const BACKOFF_FACTOR = 2.5;
const BACKOFF_MAX_MS = 3600 * SECOND;
const BACKOFF_JITTER = 0.2;
/** A failing tracker may be asked again this soon if somebody wants it now. */
const HURRY_AFTER_FAILURE_MS = 60 * SECOND;

export class AnnounceSchedule {
  readonly #rng: Rng;
  readonly #intervalFloorMs: number;
  #dueAt = -Infinity;
  #event: AnnounceEvent | null = null;
  #underWay = false;
  #askedAt = -Infinity;
  #answeredAt = -Infinity;
  #minIntervalMs = 0;
  #failures = 0;
  #heardStarted = false;
  #completedPending = false;
  #early = false;
  #earlyInARow = 0;

  /** @param intervalFloorMs Lower bound of the regular interval; a laboratory may want less than the default. */
  constructor(rng: Rng, intervalFloorMs: number = INTERVAL_FLOOR_MS) {
    this.#rng = rng;
    this.#intervalFloorMs = intervalFloorMs;
  }

  /** When to announce next; Infinity while an announce is under way. -Infinity: it never was asked. */
  get dueAt(): number {
    return this.#underWay ? Infinity : this.#dueAt;
  }

  get isUnderWay(): boolean {
    return this.#underWay;
  }

  /** When the last announce began. */
  get askedAt(): number {
    return this.#askedAt;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  get isWorking(): boolean {
    return this.#failures === 0 && this.#heardStarted;
  }

  /** The tracker may count us among its peers, so it should hear `stopped`. */
  get mayKnowUs(): boolean {
    return this.#heardStarted || (this.#underWay && this.#event === 'started');
  }

  /** The download was completed and the tracker has not confirmed that it heard so. */
  get owesCompleted(): boolean {
    return this.#completedPending;
  }

  /** It is being told so at this moment. */
  get saysCompleted(): boolean {
    return this.#underWay && this.#event === 'completed';
  }

  /** The download is complete. Trackers that never heard of us learn it from `left` being 0. */
  complete(now: number): void {
    if (!this.mayKnowUs) return;
    this.#completedPending = true;
    if (this.#failures === 0) this.#dueAt = now;
  }

  /** More peers are wanted before the interval is over. */
  hurry(): void {
    if (this.#underWay || this.#askedAt === -Infinity) return;
    const wait = Math.max(this.#minIntervalMs, EARLY_MS * 2 ** Math.min(this.#earlyInARow, 20));
    const soonest = this.#failures > 0 ? this.#askedAt + HURRY_AFTER_FAILURE_MS : this.#answeredAt + wait;
    if (soonest >= this.#dueAt) return;
    this.#dueAt = soonest;
    this.#early = true;
  }

  /** An announce goes out now; returns its event. */
  begin(now: number): AnnounceEvent | null {
    assert(!this.#underWay, 'one announce at a time');
    this.#underWay = true;
    this.#askedAt = now;
    this.#earlyInARow = this.#early ? this.#earlyInARow + 1 : 0;
    this.#early = false;
    this.#event = !this.#heardStarted ? 'started' : this.#completedPending ? 'completed' : null;
    return this.#event;
  }

  /** Times in seconds as the tracker gave them, null if it gave none. */
  succeeded(now: number, interval: number | null, minInterval: number | null): void {
    this.#underWay = false;
    this.#failures = 0;
    this.#answeredAt = now;
    if (this.#event === 'started') this.#heardStarted = true;
    if (this.#event === 'completed') this.#completedPending = false;
    const asked = interval === null || interval <= 0 ? INTERVAL_DEFAULT_MS : interval * SECOND;
    const regular = clamp(asked, this.#intervalFloorMs, INTERVAL_MAX_MS);
    this.#minIntervalMs =
      minInterval === null
        ? clamp(asked, Math.min(MIN_INTERVAL_UNNAMED_MS, this.#intervalFloorMs), INTERVAL_FLOOR_MS)
        : clamp(minInterval * SECOND, 0, INTERVAL_MAX_MS);
    this.#dueAt = this.#completedPending ? now : now + Math.max(regular, this.#minIntervalMs);
  }

  failed(now: number): void {
    this.#underWay = false;
    this.#failures++;
    const wait = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * BACKOFF_FACTOR ** Math.min(this.#failures - 1, 20));
    const spread = 1 + BACKOFF_JITTER * (2 * this.#rng.float() - 1);
    this.#dueAt = now + wait * spread;
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
