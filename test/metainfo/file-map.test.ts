import { expect, test } from 'vitest';
import { FileMap } from '../../src/metainfo/file-map.ts';
import { PieceGeometry } from '../../src/metainfo/geometry.ts';
import type { FileEntry } from '../../src/metainfo/metainfo.ts';
import { Rng } from '../../src/util/rng.ts';

test('a piece inside one file is one stretch of it', () => {
  const map = mapOf([100], 10);
  expect(map.pieceSlices(3)).toEqual([{ file: 0, offset: 30, length: 10 }]);
  expect(map.slices(3, 4, 5)).toEqual([{ file: 0, offset: 34, length: 5 }]);
});

test('a piece over several files is one stretch of each, in their order', () => {
  const map = mapOf([7, 2, 30], 10);
  expect(map.pieceSlices(0)).toEqual([
    { file: 0, offset: 0, length: 7 },
    { file: 1, offset: 0, length: 2 },
    { file: 2, offset: 0, length: 1 },
  ]);
  expect(map.slices(0, 7, 2)).toEqual([{ file: 1, offset: 0, length: 2 }]);
});

test('the last piece ends where the content ends', () => {
  expect(mapOf([25], 10).pieceSlices(2)).toEqual([{ file: 0, offset: 20, length: 5 }]);
});

test('files of length zero are in no piece, wherever they stand', () => {
  const map = mapOf([0, 0, 10, 0, 10, 0], 10);
  expect(map.pieceSlices(0)).toEqual([{ file: 2, offset: 0, length: 10 }]);
  expect(map.pieceSlices(1)).toEqual([{ file: 4, offset: 0, length: 10 }]);
  for (const file of [0, 1, 3, 5]) {
    const { first, end } = map.piecesOf(file);
    expect(end - first).toBe(0);
  }
});

test('a file knows the pieces that hold bytes of it', () => {
  const map = mapOf([10, 5, 30], 10);
  expect(map.piecesOf(0)).toEqual({ first: 0, end: 1 });
  expect(map.piecesOf(1)).toEqual({ first: 1, end: 2 });
  expect(map.piecesOf(2)).toEqual({ first: 1, end: 5 });
});

test('offsets beyond 4 GiB stay exact', () => {
  const TiB = 2 ** 40;
  const map = mapOf([TiB + 1, TiB], 2 ** 24);
  expect(map.pieceSlices(2 ** 16)).toEqual([
    { file: 0, offset: TiB, length: 1 },
    { file: 1, offset: 0, length: 2 ** 24 - 1 },
  ]);
});

test('the pieces of random file lists cover each byte once and in order', () => {
  const rng = new Rng(7);
  for (let round = 0; round < 200; round++) {
    const lengths = Array.from({ length: 1 + rng.below(12) }, () => rng.below(4) * rng.below(20));
    const total = lengths.reduce((sum, length) => sum + length, 0);
    if (total === 0) continue;
    const pieceLength = 1 + rng.below(25);
    const map = mapOf(lengths, pieceLength);
    const covered = lengths.map(() => 0);
    for (let piece = 0; piece * pieceLength < total; piece++) {
      for (const { file, offset, length } of map.pieceSlices(piece)) {
        expect(length).toBeGreaterThan(0);
        expect(offset).toBe(covered[file]);
        covered[file]! += length;
        const { first, end } = map.piecesOf(file);
        expect(piece >= first && piece < end).toBe(true);
      }
    }
    expect(covered).toEqual(lengths);
  }
});

function mapOf(lengths: readonly number[], pieceLength: number): FileMap {
  let offset = 0;
  const files = lengths.map((length, index): FileEntry => {
    const entry = { index, path: `t/${index}`, length, offset, padding: false };
    offset += length;
    return entry;
  });
  return new FileMap(files, new PieceGeometry(offset, pieceLength));
}
