import { beforeEach, describe, expect, test } from 'vitest';
import { ReadCache, type Extent } from '../../../src/engine/torrent/read-cache.ts';
import { ReadMemory } from '../../../src/engine/torrent/read-memory.ts';
import { PieceGeometry } from '../../../src/metainfo/geometry.ts';
import type { TorrentStorage } from '../../../src/ports.ts';
import { BLOCK_LENGTH } from '../../../src/util/block-length.ts';

/** One extent a piece, room for three. */
const PIECE_LENGTH = 16 * BLOCK_LENGTH;
const ROOM = 3;

describe('read cache', () => {
  let reads: number[];
  let pending: (() => void)[];
  let cache: ReadCache;
  /** Another torrent's, in the same memory. */
  let other: ReadCache;

  beforeEach(() => {
    reads = [];
    pending = [];
    const storage = {
      read: (piece: number, _begin: number, _into: Uint8Array, done: (error: null) => void) => {
        reads.push(piece);
        pending.push(() => done(null));
      },
    } as unknown as TorrentStorage;
    const geometry = new PieceGeometry(100 * PIECE_LENGTH, PIECE_LENGTH);
    const memory = new ReadMemory(ROOM * PIECE_LENGTH);
    [cache, other] = [0, 1].map(
      () => new ReadCache(geometry, storage, memory, { onReadError: () => undefined }),
    ) as [ReadCache, ReadCache];
  });

  const finishReads = (): void => pending.splice(0).forEach((finish) => finish());
  const silent = { onExtent: () => undefined };

  function use(key: number): Extent {
    expect(cache.get(key, silent)).toBe(null);
    finishReads();
    const extent = cache.get(key, silent)!;
    extent.uses++;
    return extent;
  }

  test('what is read ahead does not go for something else that is read ahead', () => {
    cache.prefetch(1);
    cache.prefetch(2);
    cache.prefetch(3);
    finishReads();
    cache.prefetch(4);
    expect(reads).toEqual([1, 2, 3]);
    for (const key of [1, 2, 3]) expect(cache.get(key, silent)).not.toBe(null);
    cache.prefetch(4);
    expect(reads).toEqual([1, 2, 3, 4]);
  });

  test('what one torrent does not need any more makes way for another one', () => {
    for (const key of [1, 2, 3]) use(key).release();
    other.get(1, silent);
    other.get(2, silent);
    finishReads();
    expect([other.get(1, silent)?.ready, other.get(2, silent)?.ready]).toEqual([true, true]);
    expect(cache.get(3, silent)).not.toBe(null);
  });

  test.each([
    ['is released', (extents: Extent[]) => extents.forEach((extent) => extent.release())],
    [
      'is closed',
      (extents: Extent[]) => {
        cache.close();
        extents.forEach((extent) => extent.release());
      },
    ],
  ])('who waits for memory of another torrent is told when that %s', (_what, free) => {
    const extents = [1, 2, 3].map((key) => use(key));
    let told = 0;
    expect(other.get(7, { onExtent: () => told++ })).toBe(null);
    expect(reads).toEqual([1, 2, 3]);
    free(extents);
    expect(told).toBeGreaterThan(0);
    other.get(7, silent);
    finishReads();
    expect(other.get(7, silent)?.ready).toBe(true);
  });

  test('what is asked for now goes before what is read ahead', () => {
    for (const key of [1, 2, 3]) cache.prefetch(key);
    finishReads();
    cache.get(4, silent);
    expect(reads).toEqual([1, 2, 3, 4]);
  });

  test('the extent that was used least recently goes first', () => {
    for (const key of [1, 2, 3]) use(key).release();
    cache.get(1, silent);
    use(4).release();
    expect(cache.get(1, silent)).not.toBe(null);
    expect(cache.get(3, silent)).not.toBe(null);
    expect(reads).toEqual([1, 2, 3, 4]);
    cache.get(2, silent);
    expect(reads).toEqual([1, 2, 3, 4, 2]);
  });

  test('those who wait for memory get it one by one, in the order in which they came', () => {
    const held = [1, 2, 3].map(use);
    const woken: number[] = [];
    const waiters = [10, 11, 12].map((key) => ({
      onExtent: () => {
        woken.push(key);
        cache.get(key, waiters[key - 10]!);
      },
    }));
    for (const [i, waiter] of waiters.entries()) cache.get(10 + i, waiter);
    held[0]!.release();
    expect(woken).toEqual([10]);
    expect(reads).toEqual([1, 2, 3, 10]);
    held[1]!.release();
    expect(woken).toEqual([10, 11]);
    held[2]!.release();
    expect(reads).toEqual([1, 2, 3, 10, 11, 12]);
  });
});
