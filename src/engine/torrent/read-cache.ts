import type { StorageError } from '../../errors.ts';
import type { PieceGeometry } from '../../metainfo/geometry.ts';
import type { TorrentStorage } from '../../ports.ts';
import type { Slab } from '../../util/slab-pool.ts';
import type { BlockSource } from '../../wire/link.ts';
import { READ_EXTENT_LENGTH } from '../limits.ts';
import type { OnBug } from './bug-boundary.ts';
import type { ReadHolder, ReadMemory } from './read-memory.ts';
import { SparseMap } from '../../util/sparse-map.ts';

/**
 * Pieces read from disk for uploads, in extents of up to 1 MiB: one read serves the 64 requests that follow each
 * other, and many peers that want the same piece.
 *
 * An extent stays while a block of it is on its way to a peer; the others go in order of last use when memory is
 * needed, here or for another torrent (`ReadMemory`). At the cap a read waits until an extent is released.
 */

/** Somebody who waits for an extent. */
export interface ExtentWaiter {
  /** The extent is there, or there is memory again: look again. `failedKey` names one that could not be read. */
  onExtent(failedKey: number | null): void;
}

export class Extent implements BlockSource {
  readonly key: number;
  readonly slab: Slab;
  readonly length: number;
  ready = false;
  /** Blocks on their way to peers. */
  uses = 0;
  /** Somebody has come for it. */
  wasUsed = false;
  readonly waiters = new Set<ExtentWaiter>();
  readonly #cache: ReadCache;

  constructor(cache: ReadCache, key: number, slab: Slab, length: number) {
    this.#cache = cache;
    this.key = key;
    this.slab = slab;
    this.length = length;
  }

  release(): void {
    this.uses--;
    if (this.uses === 0) this.#cache.onIdle();
  }
}

export interface ReadCacheEvents {
  onReadError(error: StorageError, piece: number): void;
}

export class ReadCache implements ReadHolder {
  readonly #geometry: PieceGeometry;
  readonly #storage: TorrentStorage;
  readonly #memory: ReadMemory;
  readonly #events: ReadCacheEvents;
  readonly #onBug: OnBug | null;
  /** Least recently used first. */
  readonly #extents = new SparseMap<number, Extent>();
  readonly extentLength: number;
  readonly #extentsPerPiece: number;
  readonly #starved = new SparseMap<ExtentWaiter, true>();
  #latest: Extent | null = null;
  #closed = false;

  /** @param onBug Hears what waiters throw: it is another torrent that wakes them. */
  constructor(
    geometry: PieceGeometry,
    storage: TorrentStorage,
    memory: ReadMemory,
    events: ReadCacheEvents,
    onBug: OnBug | null = null,
  ) {
    this.#geometry = geometry;
    this.#storage = storage;
    this.#memory = memory;
    this.#events = events;
    this.#onBug = onBug;
    this.extentLength = Math.min(geometry.pieceLength, READ_EXTENT_LENGTH);
    this.#extentsPerPiece = Math.ceil(geometry.pieceLength / this.extentLength);
  }

  /** The key of the extent that holds this byte of a piece. */
  keyOf(piece: number, begin: number): number {
    return piece * this.#extentsPerPiece + Math.floor(begin / this.extentLength);
  }

  /** Offset of an extent's first byte in its piece. */
  beginOf(key: number): number {
    return (key % this.#extentsPerPiece) * this.extentLength;
  }

  /** Does a stretch of bytes lie in one extent? Requests in whole blocks always do. */
  isInOneExtent(begin: number, length: number): boolean {
    return Math.floor(begin / this.extentLength) === Math.floor((begin + length - 1) / this.extentLength);
  }

  /** The extent if it is there; otherwise reading begins, and `waiter` is told when to look again. */
  get(key: number, waiter: ExtentWaiter): Extent | null {
    const extent = this.#extents.get(key) ?? this.#load(key);
    if (!extent) {
      if (this.#closed) return null;
      this.#starved.set(waiter, true);
      this.#memory.starve(this);
      return null;
    }
    this.#noteUse(extent);
    if (extent.ready) return extent;
    extent.waiters.add(waiter);
    return null;
  }

  /**
   * Begins to read an extent that will be asked for, if memory allows. What was read ahead for others and waits for
   * them does not go for it, else fifty peers would have each extent read fifty times.
   */
  prefetch(key: number): void {
    if (!this.#extents.has(key)) this.#load(key, true);
  }

  /** A piece's bytes on disk changed or can no longer be trusted. */
  forget(piece: number): void {
    for (let i = 0; i < this.#extentsPerPiece; i++) {
      const extent = this.#extents.get(piece * this.#extentsPerPiece + i);
      if (extent?.uses === 0 && extent.ready) this.#drop(extent);
    }
  }

  /** Memory may be free again. */
  onIdle(): void {
    if (this.#closed) this.close();
    else this.#memory.wake();
  }

  /** Gives all memory back, that of blocks under way as soon as they are gone. */
  close(): void {
    this.#closed = true;
    this.#starved.clear();
    for (const extent of this.#extents.values()) {
      extent.waiters.clear();
      if (extent.uses === 0 && extent.ready) this.#drop(extent);
    }
    this.#memory.leave(this);
    this.#memory.wake();
  }

  #noteUse(extent: Extent): void {
    extent.wasUsed = true;
    if (extent === this.#latest) return;
    this.#latest = extent;
    this.#extents.delete(extent.key);
    this.#extents.set(extent.key, extent);
  }

  #load(key: number, isAhead = false): Extent | null {
    if (this.#closed) return null;
    const slab = this.#memory.take(this, isAhead);
    if (!slab) return null;
    const piece = Math.floor(key / this.#extentsPerPiece);
    const begin = this.beginOf(key);
    const length = Math.min(this.extentLength, this.#geometry.pieceLengthOf(piece) - begin);
    const extent = new Extent(this, key, slab, length);
    this.#extents.set(key, extent);
    this.#storage.read(piece, begin, slab.bytes.subarray(0, length), (error) => {
      this.#onRead(extent, piece, error);
    });
    return extent;
  }

  #onRead(extent: Extent, piece: number, error: StorageError | null): void {
    extent.ready = true;
    const waiters = [...extent.waiters];
    extent.waiters.clear();
    if (error || this.#closed) this.#drop(extent);
    if (error) this.#events.onReadError(error, piece);
    for (const waiter of waiters) waiter.onExtent(error ? extent.key : null);
    // A prefetched extent that nobody came for is memory that somebody else may be waiting for.
    if (extent.uses === 0) this.#memory.wake();
  }

  evictOne(usedOnly: boolean): boolean {
    for (const extent of this.#extents.values()) {
      if (!extent.ready || extent.uses > 0 || (usedOnly && !extent.wasUsed)) continue;
      this.#drop(extent);
      return true;
    }
    return false;
  }

  #drop(extent: Extent): void {
    if (this.#extents.get(extent.key) !== extent) return;
    if (this.#latest === extent) this.#latest = null;
    this.#extents.delete(extent.key);
    this.#memory.give(extent.slab);
  }

  /** In the order in which they came, as far as memory goes: whoever finds none goes to the end. */
  wakeStarved(): boolean {
    try {
      for (let left = this.#starved.size; left > 0 && this.#memory.hasRoom(this); left--) {
        const [waiter] = this.#starved.keys();
        this.#starved.delete(waiter!);
        waiter!.onExtent(null);
      }
    } catch (error) {
      if (!this.#onBug) throw error;
      this.#onBug(error);
    }
    return this.#starved.size > 0;
  }

  get hasIdle(): boolean {
    for (const { ready, uses } of this.#extents.values()) if (ready && uses === 0) return true;
    return false;
  }
}
