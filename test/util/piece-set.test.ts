import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PieceSet } from '../../src/util/piece-set.ts';

describe('members', () => {
  test('are added and removed, and counted', () => {
    const set = new PieceSet(10);
    expect(set.isEmpty).toBe(true);
    expect(set.add(3)).toBe(true);
    expect(set.add(3)).toBe(false);
    expect(set.add(9)).toBe(true);
    expect([set.has(3), set.has(4), set.has(9)]).toEqual([true, false, true]);
    expect(set).toMatchObject({ size: 10, count: 2, isEmpty: false, isFull: false });
    expect(set.delete(3)).toBe(true);
    expect(set.delete(3)).toBe(false);
    expect(set.count).toBe(1);
    set.clear();
    expect(set).toMatchObject({ count: 0, isEmpty: true });
    expect(set.has(9)).toBe(false);
  });

  test('behave as those of a Set, whatever happens to them', () => {
    const step = fc.record({ piece: fc.nat(40), isAdd: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const set = new PieceSet(41);
        const model = new Set<number>();
        for (const { piece, isAdd } of steps) {
          if (isAdd) {
            expect(set.add(piece)).toBe(!model.has(piece));
            model.add(piece);
          } else {
            expect(set.delete(piece)).toBe(model.delete(piece));
          }
          expect(set.count).toBe(model.size);
        }
        expect(listOf(set)).toEqual([...model].sort((a, b) => a - b));
      }),
      { seed: 20_260_110, numRuns: 200 },
    );
  });

  test.each([0, 1, 7, 8, 9, 16, 100])('all of %d are a full set', (size) => {
    const set = PieceSet.full(size);
    expect(set).toMatchObject({ size, count: size, isFull: true });
    expect(listOf(set)).toEqual(Array.from({ length: size }, (_, i) => i));
    expect(PieceSet.fromBitfield(set.bytes, size)?.isFull).toBe(true);
  });

  test('a clone changes by itself', () => {
    const set = new PieceSet(9);
    set.add(8);
    const copy = set.clone();
    copy.add(0);
    set.delete(8);
    expect(listOf(copy)).toEqual([0, 8]);
    expect(listOf(set)).toEqual([]);
    expect([copy.count, set.count]).toEqual([2, 0]);
  });
});

describe('the wire form (BEP 3)', () => {
  test('has piece 0 in the highest bit of the first byte', () => {
    const set = new PieceSet(10);
    set.add(0);
    set.add(9);
    expect(set.bytes).toEqual(Uint8Array.of(0b1000_0000, 0b0100_0000));
  });

  test('is read back as it was written, with its count', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(76)), (pieces) => {
        const set = new PieceSet(77);
        for (const piece of pieces) set.add(piece);
        const back = PieceSet.fromBitfield(set.bytes, 77)!;
        expect(back.count).toBe(pieces.length);
        expect(listOf(back)).toEqual(listOf(set));
      }),
      { seed: 20_260_111, numRuns: 100 },
    );
  });

  test.each([
    ['too short', 10, [0xff]],
    ['too long', 8, [0xff, 0]],
    ['empty', 1, []],
    ['with a spare bit set', 10, [0xff, 0b0010_0000]],
    ['with the last spare bit set', 9, [0xff, 0b1000_0001]],
    ['with bytes for no pieces', 0, [0]],
  ])('is refused when it is %s', (_, size, bytes) => {
    expect(PieceSet.fromBitfield(Uint8Array.from(bytes), size)).toBeNull();
  });

  test('is copied: the message may be overwritten', () => {
    const bytes = Uint8Array.of(0b1000_0000);
    const set = PieceSet.fromBitfield(bytes, 8)!;
    bytes[0] = 0;
    expect(set.has(0)).toBe(true);
  });
});

function listOf(set: PieceSet): number[] {
  const pieces: number[] = [];
  set.forEach((piece) => pieces.push(piece));
  return pieces;
}
