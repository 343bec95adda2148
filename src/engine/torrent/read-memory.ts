import { plainMemory, SlabPool, type Allocate, type Slab } from '../../util/slab-pool.ts';

/**
 * The memory that all torrents read into for uploads.
 *
 * Extents of one torrent that nobody takes from now make way for what peers of another one ask for, and who waits for
 * memory is told when any torrent has some to spare: else the first torrent to fill it would keep it for good.
 */

/** A torrent's extents. */
export interface ReadHolder {
  readonly extentLength: number;
  /** Some extent could go. */
  readonly hasIdle: boolean;
  /** Gives back the least recently used idle extent, of those that somebody came for if `usedOnly`; false if there is none. */
  evictOne(usedOnly: boolean): boolean;
  /** There may be memory for those who wait. @returns Does anybody wait on? */
  wakeStarved(): boolean;
}

export class ReadMemory {
  readonly #pool: SlabPool;
  /** Whoever read least recently is first, and the first to give. */
  readonly #holders = new Set<ReadHolder>();
  readonly #starved = new Set<ReadHolder>();

  /** @param capBytes Upper bound over all torrents. */
  constructor(capBytes: number, allocate: Allocate = plainMemory) {
    this.#pool = new SlabPool(capBytes, allocate);
  }

  get lentBytes(): number {
    return this.#pool.lentBytes;
  }

  /** Memory for an extent, or null. @param isAhead Nobody has asked for it yet: nothing unused goes for it. */
  take(holder: ReadHolder, isAhead: boolean): Slab | null {
    const { extentLength } = holder;
    let slab = this.#pool.take(extentLength);
    while (!slab && this.#evictOne(holder, isAhead)) slab = this.#pool.take(extentLength);
    if (!slab) return null;
    this.#holders.delete(holder);
    this.#holders.add(holder);
    return slab;
  }

  give(slab: Slab): void {
    this.#pool.give(slab);
  }

  /** It waits until `wakeStarved`. */
  starve(holder: ReadHolder): void {
    this.#starved.add(holder);
  }

  /** It holds nothing any more, and waits for nothing. */
  leave(holder: ReadHolder): void {
    this.#holders.delete(holder);
    this.#starved.delete(holder);
  }

  /** Memory may be free again. Torrents take turns. */
  wake(): void {
    if (this.#starved.size === 0) return; // Nearly always.
    for (const holder of [...this.#starved]) {
      if (!this.hasRoom(holder)) continue;
      this.#starved.delete(holder);
      if (holder.wakeStarved()) this.#starved.add(holder);
    }
  }

  hasRoom({ extentLength }: ReadHolder): boolean {
    if (this.#pool.mayTake(extentLength)) return true;
    for (const { hasIdle } of this.#holders) if (hasIdle) return true;
    return false;
  }

  /** Drops all kept memory; for when there are no torrents. */
  releaseFree(): void {
    this.#pool.releaseFree();
  }

  #evictOne(holder: ReadHolder, usedOnly: boolean): boolean {
    if (holder.evictOne(usedOnly)) return true;
    for (const other of this.#holders) if (other !== holder && other.evictOne(usedOnly)) return true;
    return false;
  }
}
