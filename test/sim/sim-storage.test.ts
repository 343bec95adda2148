import { describe, expect, test } from 'vitest';
import type { PieceVerdict, TorrentStorage } from '../../src/ports.ts';
import { putStamp, readStamp } from '../../src/sim/content.ts';
import { SimDisk, SimStorageFactory, type DiskOptions } from '../../src/sim/sim-storage.ts';
import { simTorrent } from '../../src/sim/sim-torrent.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';
import { PieceSet } from '../../src/util/piece-set.ts';
import { Slab } from '../../src/util/slab-pool.ts';

const BLOCK = 16_384;
/** Two blocks and a short one to a piece, and a last piece of two bytes. */
const TORRENT = simTorrent({ pieceCount: 4, pieceLength: 2 * BLOCK + 100, lastPieceLength: 2 });

describe('a simulated disk', () => {
  test('keeps a piece whose blocks came from where they are and are in their places', () => {
    const { clock, copyPiece, storage } = diskPair();
    for (let piece = 0; piece < 4; piece++) expect(copyPiece(piece).status).toBe('written');
    const checked: unknown[] = [];
    for (let piece = 0; piece < 4; piece++) storage.checkPiece(piece, (result) => checked.push(result));
    clock.run(Infinity);
    expect(checked).toEqual([true, true, true, true]);
  });

  test('notices blocks that are damaged, missing, swapped, or of another piece or torrent', () => {
    const { copyPiece } = diskPair();
    const damage: Record<string, (slab: Slab) => void> = {
      damaged: (slab) => (slab.bytes[BLOCK]! ^= 1),
      missing: (slab) => slab.bytes.fill(0, BLOCK),
      swapped: (slab) => {
        const first = slab.bytes.slice(0, BLOCK);
        slab.bytes.copyWithin(0, BLOCK, 2 * BLOCK);
        slab.bytes.set(first, BLOCK);
      },
    };
    for (const [name, apply] of Object.entries(damage)) {
      expect(copyPiece(1, apply).status, name).toBe('mismatch');
    }
    expect(copyPiece(1, undefined, 2).status).toBe('mismatch');
    expect(copyPiece(3, (slab) => (slab.bytes[0]! ^= 1)).status).toBe('mismatch');
  });

  test('gives digests that differ for just the blocks that differ', () => {
    const { copyPiece, source } = diskPair();
    const good = copyPiece(0, undefined, 0, true) as { blockDigests: Uint8Array };
    source.flawOf = (_piece, begin) => (begin === BLOCK ? 5 : 0);
    const bad = copyPiece(0) as { blockDigests: Uint8Array };
    source.flawOf = (_piece, begin) => (begin === BLOCK ? 6 : 0);
    const worse = copyPiece(0) as { blockDigests: Uint8Array };
    expect(good.blockDigests).toHaveLength(3 * 20);
    const differing = (a: Uint8Array, b: Uint8Array) =>
      [0, 1, 2].filter(
        (i) => a.subarray(20 * i, 20 * i + 20).join() !== b.subarray(20 * i, 20 * i + 20).join(),
      );
    expect(differing(good.blockDigests, bad.blockDigests)).toEqual([1]);
    expect(differing(bad.blockDigests, worse.blockDigests)).toEqual([1]);
  });

  test('every flaw shows in a block of a single byte', () => {
    const { copyPiece, source } = diskPair();
    for (const flaw of [1, 0xff_ffff, 0x55_aa55]) {
      source.flawOf = () => flaw;
      expect(copyPiece(3).status).toBe('mismatch');
    }
  });

  test('takes the time to hash and to write, one piece after the other, and lends the slab meanwhile', () => {
    const { clock, storage } = diskPair({
      hashBytesPerSec: 32_868_000,
      writeBytesPerSec: 32_868_000,
      seekMs: 1,
    });
    const slab = new Slab(TORRENT.pieceLength);
    const bytes = slab.bytes;
    const done: number[] = [];
    fill(slab, 0);
    storage.writePiece(0, slab, false, () => done.push(clock.now()));
    storage.writePiece(1, new Slab(TORRENT.pieceLength), false, () => done.push(clock.now()));
    expect(slab.bytes).toHaveLength(0);
    clock.run(Infinity);
    expect(slab.bytes).toBe(bytes);
    // Hash, seek and write; then only the hash, which does not match.
    expect(done[0]).toBeCloseTo(3);
    expect(done[1]).toBeCloseTo(4);
  });

  test('refuses what does not fit, and takes it when there is room again', () => {
    const { disk, copyPiece } = diskPair({ freeBytes: TORRENT.pieceLength });
    expect(copyPiece(0).status).toBe('written');
    expect(copyPiece(1)).toMatchObject({ status: 'failed', error: { code: 'ERR_DISK_FULL' } });
    disk.freeBytes = TORRENT.pieceLength;
    expect(copyPiece(1).status).toBe('written');
  });

  test('outlives the client that uses it', () => {
    const { clock, disk, copyPiece } = diskPair();
    copyPiece(2);
    const again = new SimStorageFactory(clock, disk).open(TORRENT, { dir: '/there' });
    const checked: unknown[] = [];
    again.stat((result) => checked.push(result));
    again.checkPiece(1, (result) => checked.push(result));
    again.checkPiece(2, (result) => checked.push(result));
    clock.run(Infinity);
    expect(checked).toMatchObject([[{ size: TORRENT.length }], false, true]);
  });

  test('reads any stretch, but nothing of a piece that is not there', () => {
    const { clock, storage } = diskPair();
    let error: unknown;
    storage.read(1, 0, new Uint8Array(8), (result) => (error = result));
    clock.run(Infinity);
    expect(error).toMatchObject({ code: 'ERR_FILE_MISSING' });
  });
});

describe('what stands for the content of a block', () => {
  test('survives being written and read, also cut short', () => {
    for (let length = 1; length <= 9; length++) {
      const block = new Uint8Array(length);
      putStamp(block, 0, 0x01020304, 0x05060708);
      const copy = new Uint8Array(length);
      const stamp = { x: 0, y: 0 };
      readStamp(block, stamp);
      putStamp(copy, 0, stamp.x, stamp.y);
      expect([...copy]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 0].slice(0, length));
    }
  });
});

/** A full disk and an empty one, and a way to copy pieces from one to the other in blocks. */
function diskPair(options: DiskOptions = {}) {
  const clock = new VirtualClock();
  const source = new SimDisk();
  const disk = new SimDisk(options);
  source.put(TORRENT, '/here', PieceSet.full(TORRENT.pieceCount));
  const from = new SimStorageFactory(clock, source).open(TORRENT, { dir: '/here' });
  const storage: TorrentStorage = new SimStorageFactory(clock, disk).open(TORRENT, { dir: '/there' });

  function copyPiece(
    piece: number,
    change?: (slab: Slab) => void,
    as = piece,
    wantDigests = false,
  ): PieceVerdict {
    const slab = new Slab(TORRENT.pieceLength);
    for (let block = 0; block < TORRENT.geometry.blockCount(piece); block++) {
      const begin = block * BLOCK;
      const end = begin + TORRENT.geometry.blockLength(piece, block);
      from.read(piece, begin, slab.bytes.subarray(begin, end), (error) => expect(error).toBeNull());
    }
    clock.run(Infinity);
    change?.(slab);
    let verdict: PieceVerdict | null = null;
    storage.writePiece(as, slab, wantDigests, (result) => (verdict = result));
    expect(verdict).toBeNull();
    clock.run(Infinity);
    return verdict!;
  }
  return { clock, source, disk, storage, copyPiece };
}

function fill(slab: Slab, piece: number): void {
  const clock = new VirtualClock();
  const disk = new SimDisk();
  disk.put(TORRENT, '/', PieceSet.full(TORRENT.pieceCount));
  const bytes = slab.bytes.subarray(0, TORRENT.geometry.pieceLengthOf(piece));
  new SimStorageFactory(clock, disk).open(TORRENT, { dir: '/' }).read(piece, 0, bytes, () => {});
  clock.run(Infinity);
}
