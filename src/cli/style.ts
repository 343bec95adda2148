import { displayWidth, truncate } from './display-width.ts';

export type Style =
  'plain' | 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'magenta' | 'cyan' | 'inverse';

/** A line on its way to a terminal: text apart from its looks, so that it can be measured and cut. */
export type Line = readonly Segment[];

export interface Segment {
  readonly text: string;
  readonly style: Style;
}

/** The sixteen colours of the terminal's own theme, so that they suit its background. */
const CODES: Record<Style, readonly [number, number] | null> = {
  plain: null,
  bold: [1, 22],
  dim: [2, 22],
  inverse: [7, 27],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
};

export function segment(text: string, style: Style = 'plain'): Segment {
  return { text, style };
}

export function lineWidth(line: Line): number {
  return line.reduce((sum, part) => sum + displayWidth(part.text), 0);
}

/** The line, cut at the right if it is wider than `columns`. */
export function cutLine(line: Line, columns: number): Line {
  if (lineWidth(line) <= columns) return line;
  const kept: Segment[] = [];
  let room = columns;
  for (const part of line) {
    if (room <= 0) break;
    const text = truncate(part.text, room, '');
    kept.push({ ...part, text });
    room -= displayWidth(text);
  }
  return kept;
}

export function paint(text: string, style: Style, color: boolean): string {
  const code = color && text !== '' ? CODES[style] : null;
  return code ? `\x1b[${code[0]}m${text}\x1b[${code[1]}m` : text;
}

export function paintLine(line: Line, color: boolean): string {
  return line.map((part) => paint(part.text, part.style, color)).join('');
}
