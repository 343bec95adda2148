import type { Rng } from '../util/rng.ts';

/** BEP 14: a torrent is announced every five minutes. */
const INTERVAL_MS = 300_000;
/** Added to it at random, so that machines that were switched on together do not speak together. */
const JITTER_MS = 30_000;
/** BEP 14: one announcement a minute at most, of however many torrents. */
const PAUSE_MS = 60_000;
/** The first one comes a little later than the torrent, with others that were added at the same time. */
const FIRST_DELAY_MS = 1000;
/** Torrents in one announcement; the others' turn is the next minute. They fit in five datagrams. */
const TORRENTS_MAX = 100;

/** Which torrents are announced when (BEP 14). Torrents are named by their info hashes in hexadecimal. */
export class LsdSchedule {
  readonly #rng: Rng;
  readonly #dueAt = new Map<string, number>();
  #quietUntil = -Infinity;

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  add(infoHash: string, now: number): void {
    if (!this.#dueAt.has(infoHash))
      this.#dueAt.set(infoHash, now + FIRST_DELAY_MS * (0.5 + this.#rng.float() / 2));
  }

  remove(infoHash: string): void {
    this.#dueAt.delete(infoHash);
  }

  /** It should be announced as soon as manners allow. */
  hurry(infoHash: string, now: number): void {
    const dueAt = this.#dueAt.get(infoHash);
    if (dueAt !== undefined) this.#dueAt.set(infoHash, Math.min(dueAt, Math.max(now, this.#quietUntil)));
  }

  /** When to ask again; Infinity while there is nothing to announce. */
  nextDeadline(): number {
    let next = Infinity;
    for (const dueAt of this.#dueAt.values()) next = Math.min(next, dueAt);
    return Math.max(next, this.#quietUntil);
  }

  /** The torrents to announce now, longest due first. What is due within the pause after it goes along. */
  take(now: number): string[] {
    if (now < this.nextDeadline()) return [];
    const due = [...this.#dueAt].filter(([, dueAt]) => dueAt < now + PAUSE_MS);
    due.sort(([, a], [, b]) => a - b);
    const taken = due.slice(0, TORRENTS_MAX).map(([infoHash]) => infoHash);
    for (const infoHash of taken)
      this.#dueAt.set(infoHash, now + INTERVAL_MS + JITTER_MS * this.#rng.float());
    this.#quietUntil = now + PAUSE_MS;
    return taken;
  }
}
