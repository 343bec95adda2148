import { StorageError } from '../errors.ts';
import type { MetaInfo } from '../metainfo/metainfo.ts';
import type {
  Clock,
  FileStat,
  PieceVerdict,
  StorageFactory,
  StorageOpenOptions,
  TorrentStorage,
} from '../ports.ts';
import { assert } from '../util/assert.ts';
import { BLOCK_LENGTH } from '../util/block-length.ts';
import { EMPTY_BYTES, readU32 } from '../util/bytes.ts';
import { PieceSet } from '../util/piece-set.ts';
import type { Slab } from '../util/slab-pool.ts';
import { putStamp, readStamp, stampBlock, stampRange } from './content.ts';
import { JobQueue } from './job-queue.ts';
import { STAMP_LENGTH, stampIndex } from './stamp-memory.ts';

/** SHA-1. */
const DIGEST_LENGTH = 20;

export interface DiskOptions {
  /** Time that every operation takes besides its bytes. Default: 0. */
  readonly seekMs?: number;
  /** Default: 4 GB/s, a page cache. */
  readonly readBytesPerSec?: number;
  /** Default: 2 GB/s. */
  readonly writeBytesPerSec?: number;
  /** Default: 1.5 GB/s, SHA-1 on one core. */
  readonly hashBytesPerSec?: number;
  /** Bytes that fit on it. Default: Infinity. */
  readonly freeBytes?: number;
  /** Reads overwrite all bytes they are given and not only the stamps of blocks, at the cost of time. Default: false. */
  readonly readsWhole?: boolean;
}

/** What a disk holds of one torrent: which pieces, never their content. */
interface StoredTorrent {
  readonly pieces: PieceSet;
  readonly existing: Set<number>;
  mtimeMs: number;
}

/** The disk of a host. It outlives the client that uses it. */
export class SimDisk {
  readonly seekMs: number;
  readonly readBytesPerSec: number;
  readonly writeBytesPerSec: number;
  readonly hashBytesPerSec: number;
  readonly readsWhole: boolean;
  /** Bytes that still fit. */
  freeBytes: number;
  /**
   * What is wrong with the content that is read, by piece and offset: 0 for nothing. Whoever reads from a disk with
   * flaws in good faith gives bad blocks to others.
   */
  flawOf: ((piece: number, begin: number) => number) | null = null;
  readonly #torrents = new Map<string, StoredTorrent>();

  constructor(options: DiskOptions = {}) {
    this.seekMs = options.seekMs ?? 0;
    this.readBytesPerSec = options.readBytesPerSec ?? 4e9;
    this.writeBytesPerSec = options.writeBytesPerSec ?? 2e9;
    this.hashBytesPerSec = options.hashBytesPerSec ?? 1.5e9;
    this.readsWhole = options.readsWhole ?? false;
    this.freeBytes = options.freeBytes ?? Infinity;
  }

  /** Puts pieces where a client will look for them. */
  put(metaInfo: MetaInfo, dir: string, pieces: PieceSet): void {
    const stored = this.stored(metaInfo, dir);
    pieces.forEach((piece) => {
      stored.pieces.add(piece);
      markFiles(metaInfo, stored, piece);
    });
  }

  /** @internal */
  stored(metaInfo: MetaInfo, dir: string): StoredTorrent {
    const key = `${dir}/${metaInfo.infoHashHex}`;
    let stored = this.#torrents.get(key);
    if (stored === undefined) {
      stored = { pieces: new PieceSet(metaInfo.pieceCount), existing: new Set(), mtimeMs: 0 };
      this.#torrents.set(key, stored);
    }
    return stored;
  }
}

export class SimStorageFactory implements StorageFactory {
  readonly #clock: Clock;
  readonly #disk: SimDisk;

  /** @param clock The client's own, so that nothing is called back after its end. */
  constructor(clock: Clock, disk: SimDisk) {
    this.#clock = clock;
    this.#disk = disk;
  }

  open(metaInfo: MetaInfo, options: StorageOpenOptions): TorrentStorage {
    return new SimStorage(this.#clock, this.#disk, metaInfo, options.dir);
  }
}

/**
 * A torrent on a simulated disk: time passes, space is used, and the content is checked by its stamps. One worker
 * hashes and writes, another reads, each in order.
 */
class SimStorage implements TorrentStorage {
  readonly #clock: Clock;
  readonly #disk: SimDisk;
  readonly #metaInfo: MetaInfo;
  readonly #dir: string;
  readonly #stored: StoredTorrent;
  readonly #writer: JobQueue;
  readonly #reader: JobQueue;
  /** Tells the contents of torrents apart. */
  readonly #torrent: number;
  #isClosed = false;

  constructor(clock: Clock, disk: SimDisk, metaInfo: MetaInfo, dir: string) {
    this.#clock = clock;
    this.#disk = disk;
    this.#metaInfo = metaInfo;
    this.#dir = dir;
    this.#stored = disk.stored(metaInfo, dir);
    this.#writer = new JobQueue(clock);
    this.#reader = new JobQueue(clock);
    this.#torrent = readU32(metaInfo.infoHash, 0);
  }

  stat(done: (result: readonly FileStat[] | StorageError) => void): void {
    this.#reader.add(this.#disk.seekMs, () => {
      const { existing, mtimeMs } = this.#stored;
      done(
        this.#metaInfo.files.map((file) =>
          file.padding || existing.has(file.index)
            ? { size: file.length, mtimeMs }
            : { size: -1, mtimeMs: 0 },
        ),
      );
    });
  }

  checkPiece(piece: number, done: (result: boolean | StorageError) => void): void {
    const bytes = this.#metaInfo.geometry.pieceLengthOf(piece);
    const isHere = this.#stored.pieces.has(piece);
    const takesMs = isHere
      ? this.#takesMs(bytes, this.#disk.readBytesPerSec) + this.#takesMs(bytes, this.#disk.hashBytesPerSec)
      : 0;
    this.#writer.add(takesMs, () => done(this.#stored.pieces.has(piece)));
  }

  writePiece(piece: number, slab: Slab, wantDigests: boolean, done: (verdict: PieceVerdict) => void): void {
    assert(!this.#isClosed, 'writePiece on a closed storage');
    const length = this.#metaInfo.geometry.pieceLengthOf(piece);
    const bytes = slab.bytes;
    slab.bytes = EMPTY_BYTES;
    const isGood = this.#isGood(piece, bytes);
    const hashMs = this.#takesMs(length, this.#disk.hashBytesPerSec);
    const writeMs = isGood ? this.#disk.seekMs + this.#takesMs(length, this.#disk.writeBytesPerSec) : 0;
    this.#writer.add(hashMs + writeMs, () => {
      slab.bytes = bytes;
      const blockDigests = wantDigests || !isGood ? this.#digests(piece, bytes) : null;
      if (!isGood) done({ status: 'mismatch', blockDigests: blockDigests ?? EMPTY_BYTES });
      else if (this.#keep(piece, length)) done({ status: 'written', blockDigests });
      else done({ status: 'failed', error: this.#error('ERR_DISK_FULL', 'no space left') });
    });
  }

  read(piece: number, begin: number, into: Uint8Array, done: (error: StorageError | null) => void): void {
    assert(!this.#isClosed, 'read on a closed storage');
    const takesMs = this.#disk.seekMs + this.#takesMs(into.length, this.#disk.readBytesPerSec);
    this.#reader.add(takesMs, () => {
      if (!this.#stored.pieces.has(piece)) {
        done(this.#error('ERR_FILE_MISSING', `piece ${piece} is not there`));
        return;
      }
      const { flawOf, readsWhole } = this.#disk;
      if (readsWhole) into.fill(0);
      stampRange(into, this.#torrent, piece, begin, (at) => flawOf?.(piece, at) ?? 0);
      done(null);
    });
  }

  setWanted(): void {
    // Without content there is nothing that could be kept out of a file.
  }

  flush(done: (error: StorageError | null) => void): void {
    this.#writer.add(this.#disk.seekMs, () => {
      for (const file of this.#metaInfo.files) if (file.length === 0) this.#stored.existing.add(file.index);
      done(null);
    });
  }

  close(done: () => void): void {
    this.#isClosed = true;
    // Both workers finish what they have.
    this.#writer.add(0, () => this.#reader.add(0, done));
  }

  #takesMs(bytes: number, bytesPerSec: number): number {
    return (bytes / bytesPerSec) * 1000;
  }

  /** The hash of the piece is the stamps of all its blocks. */
  #isGood(piece: number, bytes: Uint8Array): boolean {
    const { geometry } = this.#metaInfo;
    const expected = new Uint8Array(STAMP_LENGTH);
    for (let block = 0; block < geometry.blockCount(piece); block++) {
      const begin = block * BLOCK_LENGTH;
      stampBlock(expected, 0, this.#torrent, piece, begin, 0);
      const length = Math.min(STAMP_LENGTH, geometry.blockLength(piece, block));
      const index = stampIndex(bytes, begin);
      for (let i = 0; i < length; i++) if (bytes[index + i] !== expected[i]) return false;
    }
    return true;
  }

  #digests(piece: number, bytes: Uint8Array): Uint8Array {
    const { geometry } = this.#metaInfo;
    const digests = new Uint8Array(geometry.blockCount(piece) * DIGEST_LENGTH);
    const stamp = { x: 0, y: 0 };
    for (let block = 0; block < geometry.blockCount(piece); block++) {
      const begin = block * BLOCK_LENGTH;
      readStamp(bytes, stamp, begin, geometry.blockLength(piece, block));
      putStamp(digests, block * DIGEST_LENGTH, stamp.x, stamp.y);
    }
    return digests;
  }

  /** False if there is no room for it. */
  #keep(piece: number, length: number): boolean {
    if (this.#stored.pieces.has(piece)) return true;
    if (length > this.#disk.freeBytes) return false;
    this.#disk.freeBytes -= length;
    this.#stored.pieces.add(piece);
    this.#stored.mtimeMs = this.#clock.now();
    markFiles(this.#metaInfo, this.#stored, piece);
    return true;
  }

  #error(code: StorageError['code'], what: string): StorageError {
    return new StorageError(`${this.#dir}/${this.#metaInfo.name}: ${what}`, code, this.#dir);
  }
}

/** The files that a piece reaches into exist once it is written. */
function markFiles(metaInfo: MetaInfo, stored: StoredTorrent, piece: number): void {
  const begin = metaInfo.geometry.pieceOffset(piece);
  const end = begin + metaInfo.geometry.pieceLengthOf(piece);
  for (const file of metaInfo.files) {
    if (file.offset < end && file.offset + file.length > begin) stored.existing.add(file.index);
  }
}
