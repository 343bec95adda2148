import { displayWidth, padEnd, padStart } from './display-width.ts';

/** Whether numbers in a column stand at the right. */
export type Align = 'left' | 'right';

/**
 * Rows of harmless text as lines: columns aligned for people, or parted by tabs for programs. The last column is
 * never padded.
 */
export function renderTable(
  rows: readonly (readonly string[])[],
  align: readonly Align[],
  forPeople: boolean,
): string[] {
  if (!forPeople) return rows.map((row) => row.join('\t'));
  const widths = align.map((_, column) =>
    rows.reduce((max, row) => Math.max(max, displayWidth(row[column] ?? '')), 0),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => {
        if (align[column] === 'right') return padStart(cell, widths[column]!);
        return column === row.length - 1 ? cell : padEnd(cell, widths[column]!);
      })
      .join('  '),
  );
}
