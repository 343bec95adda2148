/**
 * How long an answer takes, and from when on it is late.
 *
 * Nodes that left do not say so, and a lookup that waits ten seconds for each of them takes a minute. So a query is *late*
 * after the mean time of answers and four deviations (the rule of RFC 6298), which almost every node that will answer at
 * all keeps. Late answers still count, and teach us too, or the estimate could never grow.
 */

/** Nobody is measured yet: far nodes answer in less, and libtorrent waits twice as long. */
const INITIAL_MS = 500;
/** A busy machine on a fast network pauses for this long and is not gone. */
const MIN_MS = 100;
/** Longer than this, another node is the better bet: libtorrent's number. */
const MAX_MS = 1000;
/** RFC 6298: gains of the mean and of the deviation. */
const MEAN_GAIN = 1 / 8;
const DEVIATION_GAIN = 1 / 4;
/** A steady network has no deviation to speak of, but scheduling always adds something. */
const MARGIN_MS = 30;

export class ResponseTime {
  #mean = 0;
  #deviation = 0;
  #measured = false;

  /** Milliseconds after which a query is late. */
  get lateAfterMs(): number {
    if (!this.#measured) return INITIAL_MS;
    return Math.min(MAX_MS, Math.max(MIN_MS, this.#mean + Math.max(4 * this.#deviation, MARGIN_MS)));
  }

  add(ms: number): void {
    if (this.#measured) {
      this.#deviation += DEVIATION_GAIN * (Math.abs(ms - this.#mean) - this.#deviation);
      this.#mean += MEAN_GAIN * (ms - this.#mean);
    } else {
      this.#measured = true;
      this.#mean = ms;
      this.#deviation = ms / 2;
    }
  }
}
