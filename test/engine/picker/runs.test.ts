import { expect, test } from 'vitest';
import { PickerLab } from './support.ts';

const MIB = 1024 * 1024;

test('a peer that prefers runs is offered pieces that follow each other, from the first on', () => {
  const lab = new PickerLab(64, 4);
  const peer = lab.joinSeed();
  Object.assign(peer, { prefersRuns: true });
  const pieces = [...new Set(lab.pick(peer, 40).map(([piece]) => piece))];
  const breaks = pieces.filter((piece, i) => i > 0 && piece !== pieces[i - 1]! + 1);
  expect(pieces).toHaveLength(10);
  // At most where it began too near the end.
  expect(breaks.length).toBeLessThanOrEqual(1);
});

test('and skips what is not to be had: it goes on with another run', () => {
  const lab = new PickerLab(8, 4);
  const peer = lab.joinSeed();
  Object.assign(peer, { prefersRuns: true });
  lab.picker.setPriority(3, 0);
  const pieces = new Set(lab.pick(peer, 100).map(([piece]) => piece));
  expect([...pieces].sort()).toEqual([0, 1, 2, 4, 5, 6, 7]);
});

test('what the user wants first comes first', () => {
  const lab = new PickerLab(64, 4);
  const peer = lab.joinSeed();
  Object.assign(peer, { prefersRuns: true });
  lab.pick(peer, 4);
  lab.picker.setPriority(40, 7);
  expect(lab.pick(peer, 1)[0]![0]).toBe(40);
});

test('inside a stretch of 16 MiB the next piece is as good as a rarer one, and after it the rarest counts again', () => {
  const lab = new PickerLab(64, 64).afterStart();
  const [start] = [...Array(64).keys()].filter((piece) => !lab.picker.hasPiece(piece) && piece % 16 === 0);
  const peer = lab.joinSeed();
  Object.assign(peer, { prefersRuns: true });
  // All but the first piece of one stretch and one far away are common.
  const rare = start! < 32 ? 63 : 1;
  lab.join([...Array(64).keys()].filter((piece) => piece !== start && piece !== rare));
  lab.picker.setPriority(start!, 7);
  lab.pick(peer, 64);
  const pieces = [...new Set(lab.pick(peer, 16 * 64).map(([piece]) => piece))];
  expect(16 * MIB).toBe(16 * 64 * 16_384);
  expect(pieces.slice(0, 15)).toEqual(Array.from({ length: 15 }, (_, i) => start! + 1 + i));
  expect(pieces[15]).toBe(rare);
});
