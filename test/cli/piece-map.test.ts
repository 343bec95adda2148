import { describe, expect, test } from 'vitest';
import { PIECE_STATE, renderPieceMap } from '../../src/cli/piece-map.ts';
import type { MapOptions } from '../../src/cli/piece-map.ts';

const { missing, inFlight, have, unwanted } = PIECE_STATE;

function map(states: readonly number[], options: Partial<MapOptions> = {}): string[] {
  const full = { columns: 4, rows: 1, unicode: true, ...options };
  return renderPieceMap(Uint8Array.from(states), full).map((line) => line.map(({ text }) => text).join(''));
}

describe('the piece map', () => {
  test('shows each piece at its place', () => {
    expect(map([have, missing, inFlight, unwanted])).toEqual(['█·▁ ']);
  });

  test('shows by height how many pieces of a cell are there, and full only when all are', () => {
    const cell = (count: number): number[] =>
      Array.from({ length: 100 }, (_, i) => (i < count ? have : missing));
    expect(map([...cell(1), ...cell(50), ...cell(99), ...cell(100)])).toEqual(['▁▄▇█']);
  });

  test('spreads few pieces over several cells', () => {
    expect(map([have, missing], { columns: 8 })).toEqual(['████····']);
    expect(map([have], { columns: 3 })).toEqual(['███']);
  });

  test('does not count pieces that are not wanted', () => {
    expect(map([have, unwanted, missing, unwanted, unwanted, unwanted, have, have])).toEqual(['█· █']);
  });

  test('is folded into rows in reading order', () => {
    expect(map([have, have, missing, missing, missing, missing, have, have], { rows: 2 })).toEqual([
      '██··',
      '··██',
    ]);
  });

  test('has as many cells as columns for any number of pieces', () => {
    for (const pieces of [0, 1, 2, 3, 79, 80, 81, 1000, 99_999]) {
      const line = map(
        Array.from({ length: pieces }, (_, i) => i % 4),
        { columns: 80 },
      )[0]!;
      expect(line).toHaveLength(80);
    }
  });

  test('does without block characters where there are none', () => {
    expect(map([have, missing, inFlight, unwanted], { unicode: false })).toEqual(['#.- ']);
  });

  test('has the colour of the source that most of a cell came from', () => {
    const lines = renderPieceMap(Uint8Array.from([have, have, have, have, missing, have]), {
      columns: 2,
      rows: 1,
      unicode: true,
      sources: Uint8Array.from([1, 2, 2, 1, 2, 1]),
      sourceStyles: ['plain', 'cyan', 'magenta'],
    });
    expect(lines).toEqual([
      [
        { text: '█', style: 'magenta' },
        { text: '▆', style: 'cyan' },
      ],
    ]);
  });

  test('joins neighbours of one colour', () => {
    const [line] = renderPieceMap(new Uint8Array(1000).fill(have), { columns: 100, rows: 1, unicode: true });
    expect(line).toEqual([{ text: '█'.repeat(100), style: 'green' }]);
  });
});
