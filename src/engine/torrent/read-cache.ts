import type { StorageError } from '../../errors.ts';
import type { PieceGeometry } from '../../metainfo/geometry.ts';
import type { TorrentStorage } from '../../ports.ts';
import type { Slab, SlabPool } from '../../util/slab-pool.ts';
import type { BlockSource } from '../../wire/link.ts';
import { READ_EXTENT_LENGTH } from '../limits.ts';

/**
 * Pieces read from disk for uploads, in extents of up to 1 MiB: one read serves the 64 requests that follow each
 * other, and many peers that want the same piece.
 *
 * An extent stays while a block of it is on its way to a peer; the others go in order of last use when memory is
 * needed. At the cap a read waits until an extent is released.
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
  /** Recent use, as a running number. */
  usedAt = 0;
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

export class ReadCache {
  readonly #geometry: PieceGeometry;
  readonly #storage: TorrentStorage;
  readonly #pool: SlabPool;
  readonly #onError: (error: StorageError, piece: number) => void;
  /** In order of first use; `usedAt` decides what goes. */
  readonly #extents = new Map<number, Extent>();
  readonly #extentLength: number;
  readonly #extentsPerPiece: number;
  readonly #starved = new Set<ExtentWaiter>();
  #tick = 0;
  #closed = false;

  constructor(
    geometry: PieceGeometry,
    storage: TorrentStorage,
    pool: SlabPool,
    onError: (error: StorageError, piece: number) => void,
  ) {
    this.#geometry = geometry;
    this.#storage = storage;
    this.#pool = pool;
    this.#onError = onError;
    this.#extentLength = Math.min(geometry.pieceLength, READ_EXTENT_LENGTH);
    this.#extentsPerPiece = Math.ceil(geometry.pieceLength / this.#extentLength);
  }

  /** The key of the extent that holds this byte of a piece. */
  keyOf(piece: number, begin: number): number {
    return piece * this.#extentsPerPiece + Math.floor(begin / this.#extentLength);
  }

  /** Offset of an extent's first byte in its piece. */
  beginOf(key: number): number {
    return (key % this.#extentsPerPiece) * this.#extentLength;
  }

  /** Does a stretch of bytes lie in one extent? Requests in whole blocks always do. */
  isInOneExtent(begin: number, length: number): boolean {
    return Math.floor(begin / this.#extentLength) === Math.floor((begin + length - 1) / this.#extentLength);
  }

  /** The extent if it is there; otherwise reading begins, and `waiter` is told when to look again. */
  get(key: number, waiter: ExtentWaiter): Extent | null {
    const extent = this.#extents.get(key) ?? this.#load(key);
    if (!extent) {
      this.#starved.add(waiter);
      return null;
    }
    extent.usedAt = ++this.#tick;
    if (extent.ready) return extent;
    extent.waiters.add(waiter);
    return null;
  }

  /** Begins to read an extent that will be asked for. Memory pressure makes this do nothing. */
  prefetch(key: number): void {
    if (!this.#extents.has(key)) this.#load(key);
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
    if (this.#closed) {
      this.close();
      return;
    }
    this.#wakeStarved();
  }

  /** Gives all memory back, that of blocks under way as soon as they are gone. */
  close(): void {
    this.#closed = true;
    this.#starved.clear();
    for (const extent of this.#extents.values()) {
      extent.waiters.clear();
      if (extent.uses === 0 && extent.ready) this.#drop(extent);
    }
  }

  #load(key: number): Extent | null {
    if (this.#closed) return null;
    let slab = this.#pool.take(this.#extentLength);
    while (!slab && this.#evictOne()) slab = this.#pool.take(this.#extentLength);
    if (!slab) return null;
    const piece = Math.floor(key / this.#extentsPerPiece);
    const begin = this.beginOf(key);
    const length = Math.min(this.#extentLength, this.#geometry.pieceLengthOf(piece) - begin);
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
    if (error) this.#onError(error, piece);
    for (const waiter of waiters) waiter.onExtent(error ? extent.key : null);
    // A prefetched extent that nobody came for is memory that somebody else may be waiting for.
    if (extent.uses === 0) this.#wakeStarved();
  }

  /** Drops the least recently used idle extent. */
  #evictOne(): boolean {
    let oldest: Extent | null = null;
    for (const extent of this.#extents.values()) {
      if (!extent.ready || extent.uses > 0) continue;
      if (!oldest || extent.usedAt < oldest.usedAt) oldest = extent;
    }
    if (oldest) this.#drop(oldest);
    return oldest !== null;
  }

  #drop(extent: Extent): void {
    if (this.#extents.get(extent.key) !== extent) return;
    this.#extents.delete(extent.key);
    this.#pool.give(extent.slab);
  }

  #wakeStarved(): void {
    if (this.#starved.size === 0) return;
    const starved = [...this.#starved];
    this.#starved.clear();
    for (const waiter of starved) waiter.onExtent(null);
  }
}
