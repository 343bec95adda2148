import { METADATA_MEMORY_MAX, METADATA_TURN_MS } from '../limits.ts';

/** Who holds metadata that is not whole yet. */
export interface MetadataHolder {
  /** Lets go of some of what it holds, and goes on with that later. */
  giveWay(now: number): void;
}

/**
 * What all magnets of a client hold of metadata (BEP 9) that nobody can check before it is whole.
 *
 * A stranger may send any number of bytes for any number of magnets, so they share one bound, and when it is reached the
 * largest makes way: honest metadata is small, and comes through at once. Large metadata would never get whole beside liars
 * who hold as much, so each magnet in turn keeps what it has, up to half of all, while the others give way to it.
 */
export class MetadataMemory {
  readonly #max: number;
  readonly #holdings = new Map<MetadataHolder, number>();
  /** In the order of their turns. */
  readonly #queue = new Set<MetadataHolder>();
  #turnEndsAt = -Infinity;
  #held = 0;

  /** @param max Bytes. */
  constructor(max = METADATA_MEMORY_MAX) {
    this.#max = max;
  }

  /** Bytes. */
  get held(): number {
    return this.#held;
  }

  /** It holds so many bytes now. */
  set(holder: MetadataHolder, bytes: number): void {
    this.#held += bytes - (this.#holdings.get(holder) ?? 0);
    if (bytes === 0) {
      this.#holdings.delete(holder);
      return;
    }
    this.#holdings.set(holder, bytes);
    this.#queue.add(holder);
  }

  /** It has its metadata, or needs it no more. */
  leave(holder: MetadataHolder): void {
    this.set(holder, 0);
    if (this.#first === holder) this.#turnEndsAt = -Infinity;
    this.#queue.delete(holder);
  }

  /** Has holders make way until there is no more than there may be. */
  bound(now: number): void {
    while (this.#held > this.#max) {
      const before = this.#held;
      this.#whoGivesWay(this.#whoseTurn(now))?.giveWay(now);
      // Who gives way holds less after it; this only keeps a mistake from being an endless loop.
      if (this.#held >= before) return;
    }
  }

  get #first(): MetadataHolder | undefined {
    const [first] = this.#queue;
    return first;
  }

  #whoseTurn(now: number): MetadataHolder | undefined {
    if (now < this.#turnEndsAt) return this.#first;
    const last = this.#first;
    if (last && this.#turnEndsAt !== -Infinity) {
      this.#queue.delete(last);
      // Who made way and did not come back needs no other turn.
      if (this.#holdings.has(last)) this.#queue.add(last);
    }
    this.#turnEndsAt = now + METADATA_TURN_MS;
    return this.#first;
  }

  /** The largest but the one whose turn it is. */
  #whoGivesWay(first: MetadataHolder | undefined): MetadataHolder | null {
    let largest: MetadataHolder | null = null;
    let most = 0;
    for (const [holder, bytes] of this.#holdings) {
      if (bytes <= most || (holder === first && bytes <= this.#max / 2)) continue;
      largest = holder;
      most = bytes;
    }
    return largest;
  }
}
