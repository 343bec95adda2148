import { expect, test } from 'vitest';
import { PartIndex } from '../../src/node/part-file.ts';
import { fuzzRng, rounds } from '../support/fuzz.ts';
import { mutate } from '../support/mutate.ts';

const PIECES = 9;

test('pieces get slots of their own, and freed slots are used again', () => {
  const index = newIndex();
  for (const piece of [5, 2, 7]) index.add(piece, index.reserve(piece));
  expect([5, 2, 7].map((piece) => index.offsetOf(piece, 3))).toEqual([16_387, 17_387, 18_387]);
  index.delete(2);
  expect(index.has(2)).toBe(false);
  index.add(8, index.reserve(8));
  expect(index.offsetOf(8, 0)).toBe(17_384);
  expect(index.reserve(5)).toBe(0);
});

test('a slot whose write failed is free again, unless the piece had it before', () => {
  const index = newIndex();
  const slot = index.reserve(1);
  index.cancel(1, slot);
  expect(index.reserve(4)).toBe(slot);
  index.add(4, slot);
  index.cancel(4, slot);
  expect(index.has(4)).toBe(true);
  expect(index.reserve(6)).not.toBe(slot);
});

test('a header that was written piece by piece is read back', () => {
  const index = newIndex();
  for (const piece of [8, 0, 3]) index.add(piece, index.reserve(piece));
  index.delete(0);
  const copy = newIndex();
  copy.load(headerOf(index));
  expect(copy.pieces().sort()).toEqual([3, 8]);
  for (const piece of [3, 8]) expect(copy.offsetOf(piece, 0)).toBe(index.offsetOf(piece, 0));
  expect(copy.offsetOf(3, 0)).not.toBe(slotOffsetAfter(copy, 0));
});

test('a header of another torrent or format counts as empty', () => {
  const index = newIndex();
  index.add(1, index.reserve(1));
  const header = headerOf(index);
  for (const at of [0, 7, 8, 27, 31, 35]) {
    const damaged = header.slice();
    damaged[at]! ^= 1;
    const copy = newIndex();
    copy.load(damaged);
    expect(copy.isEmpty).toBe(true);
    expect(copy.isOnDisk).toBe(true);
  }
});

test('no damage gives two pieces one slot or a slot beyond the last', () => {
  const rng = fuzzRng(11);
  const index = newIndex();
  for (let piece = 0; piece < PIECES; piece++) index.add(piece, index.reserve(piece));
  const header = headerOf(index);
  for (let round = 0; round < rounds(2_000); round++) {
    const copy = newIndex();
    const tail = mutate(header.subarray(36), rng);
    copy.load(Uint8Array.from([...header.subarray(0, 36), ...tail]));
    const offsets = copy.pieces().map((piece) => copy.offsetOf(piece, 0));
    expect(new Set(offsets).size).toBe(offsets.length);
    for (const offset of offsets) expect(offset).toBeLessThan(16_384 + PIECES * 1_000);
  }
});

function newIndex(): PartIndex {
  return new PartIndex(new Uint8Array(20).fill(7), 1_000, PIECES);
}

/** What the file holds after all writes that the index asks for. */
function headerOf(index: PartIndex): Uint8Array {
  const header = new Uint8Array(index.headerLength);
  header.set(index.preamble());
  for (const piece of index.pieces()) {
    const slot = (index.offsetOf(piece, 0) - 16_384) / 1_000;
    const { offset, bytes } = index.entry(piece, slot);
    header.set(bytes, offset);
  }
  return header;
}

function slotOffsetAfter(index: PartIndex, piece: number): number {
  return index.slotOffset(index.reserve(piece));
}
