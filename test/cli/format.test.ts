import { describe, expect, test } from 'vitest';
import { displayWidth, padEnd, padStart, truncate } from '../../src/cli/display-width.ts';
import { formatBytes, formatDuration, formatEta, formatPercent, plural } from '../../src/cli/format.ts';
import { renderTable } from '../../src/cli/table.ts';

describe('sizes', () => {
  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1_048_575, '1.0 MiB'],
    [738 * 1_048_576, '738.0 MiB'],
    [1000 * 1_048_576, '1000 MiB'],
    [1023.9 * 1_048_576, '1.0 GiB'],
    [5e15, '4.4 PiB'],
    [5e18, '4441 PiB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  test('never take more than eight columns below a thousand pebibytes, so that numbers do not jump', () => {
    for (let bytes = 1; bytes < 1e18; bytes *= 1.07) expect(formatBytes(bytes).length).toBeLessThanOrEqual(9);
  });
});

describe('percentages', () => {
  test.each([
    [0, '0.0%'],
    [0.4237, '42.3%'],
    [0.99999, '99.9%'],
    [1, '100%'],
    [-1, '0.0%'],
  ])('a share of %d is %s', (share, text) => {
    expect(formatPercent(share)).toBe(text);
  });
});

describe('durations', () => {
  test.each([
    [0, '0.0s'],
    [420, '0.4s'],
    [9_949, '9.9s'],
    [9_950, '10s'],
    [59_499, '59s'],
    [59_500, '1m 00s'],
    [65_000, '1m 05s'],
    [7_380_000, '2h 03m'],
    [273_600_000, '3d 04h'],
  ])('%d ms are %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test('time left is in whole seconds and never nothing', () => {
    expect([0, 400, 2_600, 9_949, 9_950].map(formatEta)).toEqual(['1s', '1s', '3s', '10s', '10s']);
  });
});

test('counts have the right noun', () => {
  expect([plural(0, 'peer'), plural(1, 'peer'), plural(2, 'peer')]).toEqual(['0 peers', '1 peer', '2 peers']);
});

describe('display width', () => {
  test.each([
    ['', 0],
    ['abc', 3],
    ['日本語', 6],
    ['한국어', 6],
    ['Ελληνικά', 8],
    ['e\u0301', 1],
    ['👍', 2],
    ['👨‍👩‍👧', 2],
    ['❤\ufe0f', 2],
    ['🇩🇪', 2],
    ['ｆｕｌｌ', 8],
    ['✔', 1],
    ['한', 2],
  ])('%s takes %d columns', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  test('truncating cuts between characters and never exceeds the room', () => {
    expect(truncate('日本語のファイル', 8)).toBe('日本語…');
    expect(truncate('short', 8)).toBe('short');
    expect(truncate('e\u0301e\u0301e\u0301', 2)).toBe('e\u0301…');
    for (let columns = 0; columns < 20; columns++) {
      expect(displayWidth(truncate('a日b本c語👍👨‍👩‍👧d', columns))).toBeLessThanOrEqual(columns);
    }
  });

  test('padding counts columns, not characters', () => {
    expect(padEnd('日本', 6) + '|').toBe('日本  |');
    expect('|' + padStart('日本', 6)).toBe('|  日本');
  });
});

describe('tables', () => {
  const rows = [
    ['1', '日本', 'x'],
    ['10', 'a', 'yy'],
  ];

  test('are aligned for people', () => {
    expect(renderTable(rows, ['right', 'left', 'left'], true)).toEqual([' 1  日本  x', '10  a     yy']);
  });

  test('are parted by tabs for programs', () => {
    expect(renderTable(rows, ['right', 'left', 'left'], false)).toEqual(['1\t日本\tx', '10\ta\tyy']);
  });
});
