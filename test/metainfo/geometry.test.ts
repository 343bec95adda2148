import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PieceGeometry } from '../../src/metainfo/geometry.ts';

const BLOCK = 16_384;

describe('pieces', () => {
  test('the last one holds what is left', () => {
    const geometry = new PieceGeometry(100_000, 32_768);
    expect(geometry).toMatchObject({ pieceCount: 4, blocksPerPiece: 2, lastPieceLength: 1_696 });
    expect([0, 1, 2, 3].map((piece) => geometry.pieceLengthOf(piece))).toEqual([
      32_768, 32_768, 32_768, 1_696,
    ]);
    expect([0, 1, 2, 3].map((piece) => geometry.blockCount(piece))).toEqual([2, 2, 2, 1]);
    expect(geometry.pieceOffset(3)).toBe(98_304);
  });

  test('the last one is whole if the content divides evenly', () => {
    expect(new PieceGeometry(65_536, 32_768)).toMatchObject({ pieceCount: 2, lastPieceLength: 32_768 });
  });

  test('one of two bytes is one piece of one block', () => {
    const geometry = new PieceGeometry(2, BLOCK);
    expect(geometry).toMatchObject({ pieceCount: 1, lastPieceLength: 2 });
    expect(geometry.blockLength(0, 0)).toBe(2);
  });

  test('offsets beyond 4 GiB are exact', () => {
    const geometry = new PieceGeometry(2 ** 50, 536_854_528);
    const last = geometry.pieceCount - 1;
    expect(geometry.pieceOffset(last) + geometry.pieceLengthOf(last)).toBe(2 ** 50);
  });

  test('only whole numbers in range are pieces', () => {
    const geometry = new PieceGeometry(100, 10);
    expect([0, 9].every((piece) => geometry.isPiece(piece))).toBe(true);
    expect([-1, 10, 2 ** 32 - 1].some((piece) => geometry.isPiece(piece))).toBe(false);
  });
});

describe('blocks', () => {
  // Three blocks, the last of them short, and a last piece with one short block.
  const geometry = new PieceGeometry(2 * 40_000 + 100, 40_000);

  test('are 16 KiB long but for the last of a piece', () => {
    expect([0, 1, 2].map((block) => geometry.blockLength(0, block))).toEqual([
      BLOCK,
      BLOCK,
      40_000 - 2 * BLOCK,
    ]);
    expect(geometry.blockLength(2, 0)).toBe(100);
  });

  test.each([
    [0, 0, BLOCK, true],
    [0, 2 * BLOCK, 40_000 - 2 * BLOCK, true],
    [2, 0, 100, true],
    [0, 0, BLOCK - 1, false],
    [0, 1, BLOCK, false],
    [0, BLOCK + 1, BLOCK, false],
    [0, 2 * BLOCK, BLOCK, false],
    [0, 3 * BLOCK, 0, false],
    [2, 0, BLOCK, false],
    [2, BLOCK, 100, false],
    [3, 0, BLOCK, false],
    [0, 2 ** 32 - BLOCK, BLOCK, false],
    [0, -BLOCK, BLOCK, false],
  ])('piece %d, begin %d, length %d: %s', (piece, begin, length, expected) => {
    expect(geometry.isBlock(piece, begin, length)).toBe(expected);
  });

  test('cover each piece without a gap or an overlap, whatever the lengths', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 40 }),
        fc.integer({ min: 1, max: 2 ** 22 }),
        (length, pieceLength) => {
          const any = new PieceGeometry(length, pieceLength);
          const last = any.pieceCount - 1;
          expect(any.pieceOffset(last) + any.pieceLengthOf(last)).toBe(length);
          expect(any.lastPieceLength).toBeGreaterThan(0);
          expect(any.lastPieceLength).toBeLessThanOrEqual(pieceLength);
          for (const piece of [0, last]) {
            let at = 0;
            for (let block = 0; block < any.blockCount(piece); block++) {
              expect(any.isBlock(piece, at, any.blockLength(piece, block))).toBe(true);
              at += any.blockLength(piece, block);
            }
            expect(at).toBe(any.pieceLengthOf(piece));
          }
        },
      ),
      { seed: 20_260_106, numRuns: 200 },
    );
  });
});

describe('ranges that a peer may request', () => {
  const geometry = new PieceGeometry(100_000, 50_000);

  test.each([
    [0, 0, 1, true],
    [0, 1, 16_384, true],
    [0, 49_999, 1, true],
    [1, 33_616, 16_384, true],
    [0, 0, 16_385, false],
    [0, 0, 0, false],
    [0, 0, -1, false],
    [0, 50_000, 1, false],
    [0, 49_999, 2, false],
    [2, 0, 1, false],
    [0, -1, 1, false],
    [0, 2 ** 32 - 1, 1, false],
  ])('piece %d, begin %d, length %d: %s', (piece, begin, length, expected) => {
    expect(geometry.isRange(piece, begin, length, 16_384)).toBe(expected);
  });
});

test('a geometry is frozen', () => {
  expect(Object.isFrozen(new PieceGeometry(1, 1))).toBe(true);
});
