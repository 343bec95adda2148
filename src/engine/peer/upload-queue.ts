import { BLOCK_LENGTH } from '../../util/block-length.ts';
import type { BandwidthShare, TokenWaiter } from '../bandwidth.ts';
import { READ_AHEAD_EXTENTS, UPLOAD_QUEUE_MAX } from '../limits.ts';
import type { ExtentWaiter, ReadCache } from '../torrent/read-cache.ts';
import { SEND_HIGH_WATER, type PeerLink } from '../../wire/link.ts';

/**
 * A peer's requests that we have accepted, and the blocks on their way to it.
 *
 * Blocks are handed to the link only while it holds little, so a cancel or a choke still finds most of the queue here,
 * and small messages do not wait behind megabytes.
 */

/**
 * A link may hold as much as it sends in a second, within bounds: on a slow line what it holds cannot be taken back any
 * more, and on a fast one too little leaves it idle between two turns. Simulated, ten peers with uplinks from 16 to
 * 400 KiB/s: with a minimum of four blocks the last takes a tenth longer, and half as much again comes for nothing.
 */
const LINK_BYTES_MIN = BLOCK_LENGTH;

/** More buckets than requests in the longest queue, so that neighbours in a piece hardly ever share one. */
const BUCKETS = 4_096;

/** What the queue needs to know of its session. */
export interface UploadHost {
  readonly link: PeerLink;
  readonly cache: ReadCache;
  readonly bandwidth: BandwidthShare;
  /** What the peer takes, bytes per second. */
  readonly upRate: number;
  now(): number;
  /** A block was handed to the link. */
  onSent(piece: number, bytes: number): void;
  /** The bytes could not be read: refuse the request. */
  onUnreadable(piece: number, begin: number, length: number): void;
}

export class UploadQueue implements ExtentWaiter, TokenWaiter {
  readonly #host: UploadHost;
  /** Ring of piece, begin, length. */
  #ring: Int32Array = new Int32Array(3 * 32);
  #head = 0;
  #count = 0;
  /**
   * How many requests of the queue lie in each bucket of blocks. An empty one answers for most requests that they are
   * new; going through 500 others for each costs a sixth of all CPU of a seed. Null while the queue never was long.
   */
  #buckets: Uint16Array | null = null;
  #waitingForTokens = false;
  #closed = false;

  constructor(host: UploadHost) {
    this.#host = host;
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= UPLOAD_QUEUE_MAX;
  }

  has(piece: number, begin: number, length: number): boolean {
    return this.#find(piece, begin, length) >= 0;
  }

  /** The caller has checked the request and that there is room. Sending begins with `pump`. */
  add(piece: number, begin: number, length: number): void {
    if (3 * this.#count === this.#ring.length) this.#grow();
    if (this.#buckets) this.#buckets[bucketOf(piece, begin)]!++;
    const at = this.#slot(this.#count);
    this.#ring[at] = piece;
    this.#ring[at + 1] = begin;
    this.#ring[at + 2] = length;
    this.#count++;
  }

  /** Withdraws a request; false if it is not here (any more). */
  remove(piece: number, begin: number, length: number): boolean {
    const index = this.#find(piece, begin, length);
    if (index < 0) return false;
    this.#leaveBucket(piece, begin);
    // Closing the gap keeps the order; cancels are rare and queues short.
    for (let i = index; i < this.#count - 1; i++) this.#copy(i + 1, i);
    this.#count--;
    return true;
  }

  /** Empties the queue but for the requests that `keep` names, and shows each request that was dropped. */
  drop(
    keep: (piece: number, begin: number) => boolean,
    dropped: (piece: number, begin: number, length: number) => void,
  ): void {
    const count = this.#count;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const at = this.#slot(i);
      const piece = this.#ring[at]!;
      const begin = this.#ring[at + 1]!;
      if (keep(piece, begin)) {
        this.#copy(i, kept++);
        continue;
      }
      this.#leaveBucket(piece, begin);
      dropped(piece, begin, this.#ring[at + 2]!);
    }
    this.#count = kept;
  }

  close(): void {
    this.#closed = true;
    this.#count = 0;
    this.#buckets = null;
  }

  onExtent(failedKey: number | null): void {
    if (failedKey !== null) {
      const { cache } = this.#host;
      this.drop(
        (piece, begin) => cache.keyOf(piece, begin) !== failedKey,
        (piece, begin, length) => this.#host.onUnreadable(piece, begin, length),
      );
    }
    this.pump();
  }

  onTokens(): void {
    this.#waitingForTokens = false;
    this.pump();
  }

  /** Hands blocks to the link while it takes them. */
  pump(): void {
    if (this.#count === 0) return; // Most calls: the rate below costs more than all the rest of them.
    const { link, cache, bandwidth, upRate } = this.#host;
    const linkBytesMax = Math.min(SEND_HIGH_WATER, Math.max(LINK_BYTES_MIN, upRate));
    while (this.#count > 0 && !this.#closed && !this.#waitingForTokens) {
      if (link.queuedBytes >= linkBytesMax) return;
      const at = this.#slot(0);
      const piece = this.#ring[at]!;
      const begin = this.#ring[at + 1]!;
      const length = this.#ring[at + 2]!;
      if (!bandwidth.isUnlimited && bandwidth.available(this.#host.now()) <= 0) {
        this.#waitingForTokens = true;
        bandwidth.wait(this);
        return;
      }
      const key = cache.keyOf(piece, begin);
      const extent = cache.get(key, this);
      if (!extent) {
        this.#readAhead();
        return;
      }
      this.#shift();
      this.#leaveBucket(piece, begin);
      if (!cache.isInOneExtent(begin, length)) {
        this.#host.onUnreadable(piece, begin, length);
        continue;
      }
      const offset = begin - cache.beginOf(key);
      extent.uses++;
      bandwidth.take(length);
      link.piece(piece, begin, extent.slab.bytes.subarray(offset, offset + length), extent);
      this.#host.onSent(piece, length);
    }
  }

  /** Starts reading what the queue asks for after its head. */
  #readAhead(): void {
    const { cache } = this.#host;
    let last = -1;
    let started = 0;
    for (let i = 0; i < this.#count && started < READ_AHEAD_EXTENTS; i++) {
      const at = this.#slot(i);
      const key = cache.keyOf(this.#ring[at]!, this.#ring[at + 1]!);
      if (key === last) continue;
      last = key;
      started++;
      cache.prefetch(key);
    }
  }

  #find(piece: number, begin: number, length: number): number {
    if (this.#buckets?.[bucketOf(piece, begin)] === 0) return -1;
    for (let i = 0; i < this.#count; i++) {
      const at = this.#slot(i);
      if (this.#ring[at + 1] === begin && this.#ring[at] === piece && this.#ring[at + 2] === length) return i;
    }
    return -1;
  }

  #slot(index: number): number {
    const at = this.#head + 3 * index;
    return at < this.#ring.length ? at : at - this.#ring.length;
  }

  #shift(): void {
    this.#head = this.#slot(1);
    this.#count--;
  }

  #copy(from: number, to: number): void {
    const source = this.#slot(from);
    this.#ring.copyWithin(this.#slot(to), source, source + 3);
  }

  #grow(): void {
    const ring = new Int32Array(this.#ring.length * 2);
    for (let i = 0; i < this.#count; i++) {
      const at = this.#slot(i);
      ring.set(this.#ring.subarray(at, at + 3), 3 * i);
    }
    this.#ring = ring;
    this.#head = 0;
    if (!this.#buckets) this.#fillBuckets();
  }

  #fillBuckets(): void {
    this.#buckets = new Uint16Array(BUCKETS);
    for (let i = 0; i < this.#count; i++) {
      const at = this.#slot(i);
      this.#buckets[bucketOf(this.#ring[at]!, this.#ring[at + 1]!)]!++;
    }
  }

  #leaveBucket(piece: number, begin: number): void {
    if (this.#buckets) this.#buckets[bucketOf(piece, begin)]!--;
  }
}

function bucketOf(piece: number, begin: number): number {
  return (Math.imul(piece, 67) + Math.floor(begin / BLOCK_LENGTH)) & (BUCKETS - 1);
}
