import { beforeEach, describe, expect, test } from 'vitest';
import { StorageError } from '../../../src/errors.ts';
import { Bandwidth } from '../../../src/engine/bandwidth.ts';
import { UploadQueue } from '../../../src/engine/peer/upload-queue.ts';
import { ReadCache } from '../../../src/engine/torrent/read-cache.ts';
import { PieceGeometry } from '../../../src/metainfo/geometry.ts';
import type { TorrentStorage } from '../../../src/ports.ts';
import { BLOCK_LENGTH } from '../../../src/util/block-length.ts';
import { Rng } from '../../../src/util/rng.ts';
import { ReadMemory } from '../../../src/engine/torrent/read-memory.ts';
import { SEND_HIGH_WATER } from '../../../src/wire/link.ts';
import { FakeLink } from '../support/fake-link.ts';
import { ManualClock } from '../support/manual-clock.ts';

const PIECE_LENGTH = 16 * BLOCK_LENGTH;

describe('upload queue', () => {
  let disk: FakeDisk;
  let pool: ReadMemory;
  let cache: ReadCache;
  let link: FakeLink;
  let clock: ManualClock;
  let unreadable: string[];
  let queue: UploadQueue;

  beforeEach(() => {
    setUp(4, Infinity);
  });

  function setUp(extents: number, bytesPerSec: number): void {
    disk = new FakeDisk();
    pool = new ReadMemory(extents * PIECE_LENGTH);
    const storage = disk as unknown as TorrentStorage;
    cache = new ReadCache(new PieceGeometry(100 * PIECE_LENGTH, PIECE_LENGTH), storage, pool, {
      onReadError: () => undefined,
    });
    link = new FakeLink();
    clock = new ManualClock();
    unreadable = [];
    queue = new UploadQueue({
      link,
      cache,
      bandwidth: new Bandwidth(clock, bytesPerSec).share(Infinity),
      upRate: 1e9,
      now: () => clock.now(),
      onSent: () => undefined,
      onUnreadable: (piece, begin) => unreadable.push(`${piece} ${begin}`),
    });
  }

  test('one read serves all requests of an extent, in order', () => {
    for (let block = 0; block < 16; block++) queue.add(3, block * BLOCK_LENGTH, BLOCK_LENGTH);
    queue.pump();
    expect(link.heard()).toEqual([]);
    disk.finish();
    expect(disk.reads).toEqual(['3 0']);
    expect(link.heard()).toEqual(
      Array.from({ length: 16 }, (_, block) => `piece 3 ${block * BLOCK_LENGTH} ${BLOCK_LENGTH}`),
    );
  });

  test('the block that leaves is the block that was read', () => {
    queue.add(5, 2 * BLOCK_LENGTH, 100);
    let block: Uint8Array | null = null;
    link.piece = (_piece, _begin, bytes) => (block = bytes);
    queue.pump();
    disk.finish();
    expect(block).toEqual(new Uint8Array(100).fill(5));
  });

  test('waits while the link holds much, and goes on when it is writable', () => {
    for (let i = 0; i < 64; i++) queue.add(i >> 4, (i & 15) * BLOCK_LENGTH, BLOCK_LENGTH);
    queue.pump();
    while (disk.finish());
    expect(link.heard()).toHaveLength(SEND_HIGH_WATER / BLOCK_LENGTH);
    link.queuedBytes = 0;
    queue.pump();
    while (disk.finish());
    expect(link.heard()).toHaveLength(64 - SEND_HIGH_WATER / BLOCK_LENGTH);
    expect(queue.count).toBe(0);
  });

  test('a request that is withdrawn is not served', () => {
    queue.add(0, 0, BLOCK_LENGTH);
    queue.add(0, BLOCK_LENGTH, BLOCK_LENGTH);
    queue.pump();
    expect(queue.remove(0, 0, BLOCK_LENGTH)).toBe(true);
    expect(queue.remove(0, 0, BLOCK_LENGTH)).toBe(false);
    disk.finish();
    expect(link.heard()).toEqual([`piece 0 ${BLOCK_LENGTH} ${BLOCK_LENGTH}`]);
  });

  test('requests of a piece that cannot be read are refused once each, and not tried for ever', () => {
    queue.add(0, 0, BLOCK_LENGTH);
    queue.add(0, BLOCK_LENGTH, BLOCK_LENGTH);
    queue.add(1, 0, BLOCK_LENGTH);
    disk.broken.add(0);
    queue.pump();
    while (disk.finish());
    expect(unreadable).toEqual(['0 0', `0 ${BLOCK_LENGTH}`]);
    expect(link.heard()).toEqual([`piece 1 0 ${BLOCK_LENGTH}`]);
    expect(disk.reads.filter((read) => read.startsWith('0'))).toHaveLength(1);
  });

  test('at the memory cap it waits for blocks to leave, and then goes on', () => {
    setUp(2, Infinity);
    for (let piece = 0; piece < 6; piece++) queue.add(piece, 0, BLOCK_LENGTH);
    queue.pump();
    for (let round = 0; round < 20; round++) {
      while (disk.finish());
      for (const source of link.sources.splice(0)) source?.release();
      link.queuedBytes = 0;
      queue.pump();
      expect(pool.lentBytes).toBeLessThanOrEqual(2 * PIECE_LENGTH);
    }
    expect(link.heard()).toHaveLength(6);
  });

  test('a closed cache gives all its memory back when the last block has left', () => {
    queue.add(0, 0, BLOCK_LENGTH);
    queue.pump();
    disk.finish();
    cache.close();
    expect(pool.lentBytes).toBe(PIECE_LENGTH);
    link.sources[0]!.release();
    expect(pool.lentBytes).toBe(0);
  });

  test('a limit spreads the blocks over time', () => {
    setUp(4, 10 * BLOCK_LENGTH);
    for (let block = 0; block < 16; block++) queue.add(0, block * BLOCK_LENGTH, BLOCK_LENGTH);
    queue.pump();
    disk.finish();
    clock.advance(500);
    const early = link.heard().length;
    expect(early).toBeGreaterThanOrEqual(4);
    expect(early).toBeLessThanOrEqual(8);
    clock.advance(2000);
    expect(link.heard()).toHaveLength(16 - early);
  });

  test('keeps its requests in order under any mix of calls', () => {
    for (let seed = 0; seed < 30; seed++) {
      setUp(4, Infinity);
      const rng = new Rng(seed);
      let expected: string[] = [];
      for (let step = 0; step < 300; step++) {
        const begin = rng.below(16) * BLOCK_LENGTH;
        const piece = rng.below(8);
        const name = `${piece} ${begin}`;
        const roll = rng.below(10);
        if (roll < 7 && !expected.includes(name)) {
          queue.add(piece, begin, BLOCK_LENGTH);
          expected.push(name);
        } else if (roll < 9) {
          queue.remove(piece, begin, BLOCK_LENGTH);
          expected = expected.filter((other) => other !== name);
        } else {
          queue.drop(
            (kept) => kept !== piece,
            () => undefined,
          );
          expected = expected.filter((other) => !other.startsWith(`${piece} `));
        }
        if (queue.count !== expected.length) expect(queue.count).toBe(expected.length);
      }
      const order: string[] = [];
      queue.drop(
        () => false,
        (piece, begin) => order.push(`${piece} ${begin}`),
      );
      expect(order).toEqual(expected);
    }
  });
});

/** Reads pieces full of their own number, one per `finish`. */
class FakeDisk {
  readonly reads: string[] = [];
  readonly broken = new Set<number>();
  readonly #pending: (() => void)[] = [];

  read(piece: number, begin: number, into: Uint8Array, done: (error: StorageError | null) => void): void {
    this.reads.push(`${piece} ${begin}`);
    this.#pending.push(() => {
      if (this.broken.has(piece)) done(new StorageError('broken', 'ERR_DISK_IO', 'file'));
      else {
        into.fill(piece);
        done(null);
      }
    });
  }

  /** True if there was a read to finish. */
  finish(): boolean {
    const next = this.#pending.shift();
    next?.();
    return next !== undefined;
  }
}
