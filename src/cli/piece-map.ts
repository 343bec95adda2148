import { segment } from './style.ts';
import type { Line, Segment, Style } from './style.ts';

/**
 * The piece map: every cell stands for the pieces at its place in the torrent. Its height says how many of them are
 * there, its colour whether more are on their way or, when sources are known, where most came from.
 */

/** As `TorrentHandle.pieceStates` numbers them. */
export const PIECE_STATE = { missing: 0, inFlight: 1, have: 2, unwanted: 3 } as const;

export interface MapOptions {
  readonly columns: number;
  /** Lines that the map is folded into. */
  readonly rows: number;
  /** Whether the terminal has block characters. */
  readonly unicode: boolean;
  /** The source of each piece, 0 for unknown; together with `sourceStyles` it colours the cells. */
  readonly sources?: Uint8Array | undefined;
  readonly sourceStyles?: readonly Style[] | undefined;
}

interface Glyphs {
  readonly missing: string;
  readonly inFlight: string;
  readonly unwanted: string;
  /** From a few to all of the cell's pieces. */
  readonly levels: readonly string[];
}

const BLOCKS: Glyphs = { missing: '·', inFlight: '▁', unwanted: ' ', levels: Array.from('▁▂▃▄▅▆▇█') };
const ASCII: Glyphs = { missing: '.', inFlight: '-', unwanted: ' ', levels: Array.from(':+*#') };

const HAVE_STYLE: Style = 'green';
const IN_FLIGHT_STYLE: Style = 'yellow';

/** The map as lines of exactly `columns` cells. */
export function renderPieceMap(states: Uint8Array, options: MapOptions): Line[] {
  const glyphs = options.unicode ? BLOCKS : ASCII;
  const cells = options.columns * options.rows;
  const lines: Line[] = [];
  for (let row = 0; row < options.rows; row++) {
    const segments: Segment[] = [];
    for (let column = 0; column < options.columns; column++) {
      const cell = row * options.columns + column;
      const first = Math.floor((cell * states.length) / cells);
      // With fewer pieces than cells, several cells show the same piece.
      const end = Math.max(first + 1, Math.floor(((cell + 1) * states.length) / cells));
      append(segments, renderCell(states, first, end, glyphs, options));
    }
    lines.push(segments);
  }
  return lines;
}

/** Joins neighbours of one style, so that a line needs few colour changes. */
function append(segments: Segment[], cell: Segment): void {
  const last = segments.at(-1);
  if (last?.style === cell.style) segments[segments.length - 1] = segment(last.text + cell.text, cell.style);
  else segments.push(cell);
}

function renderCell(
  states: Uint8Array,
  first: number,
  end: number,
  glyphs: Glyphs,
  options: MapOptions,
): Segment {
  let have = 0;
  let inFlight = 0;
  let unwanted = 0;
  for (let piece = first; piece < end; piece++) {
    const state = states[piece];
    if (state === PIECE_STATE.have) have++;
    else if (state === PIECE_STATE.inFlight) inFlight++;
    else if (state === PIECE_STATE.unwanted) unwanted++;
  }
  const wanted = end - first - unwanted;
  if (wanted <= 0 || states.length === 0) return segment(glyphs.unwanted, 'dim');
  if (have === 0) {
    return inFlight > 0 ? segment(glyphs.inFlight, IN_FLIGHT_STYLE) : segment(glyphs.missing, 'dim');
  }
  const top = glyphs.levels.length;
  // The full glyph is kept for cells that are full.
  const level = have === wanted ? top : Math.min(top - 1, Math.ceil((have / wanted) * top));
  const style = inFlight > 0 && !options.sources ? IN_FLIGHT_STYLE : haveStyle(states, first, end, options);
  return segment(glyphs.levels[level - 1]!, style);
}

/** The colour of the source that most pieces of the cell came from. */
function haveStyle(states: Uint8Array, first: number, end: number, options: MapOptions): Style {
  const { sources, sourceStyles } = options;
  if (!sources || !sourceStyles) return HAVE_STYLE;
  const counts = new Uint32Array(sourceStyles.length);
  let best = 0;
  for (let piece = first; piece < end; piece++) {
    if (states[piece] !== PIECE_STATE.have) continue;
    const source = sources[piece]!;
    if (source >= counts.length) continue;
    counts[source] = counts[source]! + 1;
    if (counts[source] > counts[best]!) best = source;
  }
  return sourceStyles[best] ?? HAVE_STYLE;
}
