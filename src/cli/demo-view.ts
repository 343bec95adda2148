import { padEnd, padStart } from './display-width.ts';
import { formatBytes, formatRate } from './format.ts';
import type { LibraryTorrent } from './library.ts';
import { renderTorrent } from './progress-lines.ts';
import type { LineOptions } from './progress-lines.ts';
import { cutLine, segment } from './style.ts';
import type { Line, Style } from './style.ts';

/** One colour per seeder, in the map and beside its name. The first stands for pieces of unknown origin. */
export const SEEDER_STYLES: readonly Style[] = ['plain', 'cyan', 'magenta', 'yellow'];

const MAP_ROWS = 2;

/** A seeder as it is shown. */
export interface SeederView {
  readonly name: string;
  readonly style: Style;
  /** What became of it, once something did. */
  fate: string | null;
  /** Pieces of it that are in the download. */
  pieces: number;
  /** Bytes per second right now. */
  rate: number;
}

/** The downloader's block, and a line for each seeder. */
export function renderDemo(
  torrent: LibraryTorrent,
  seeders: readonly SeederView[],
  sources: Uint8Array,
  options: LineOptions,
): Line[] {
  const lines = renderTorrent(torrent, {
    ...options,
    ...(torrent.state === 'seeding' ? { sentence: 'complete' } : {}),
    mapRows: MAP_ROWS,
    colors: { sources, styles: SEEDER_STYLES },
  });
  return [...lines, ...seeders.map((seeder) => renderSeeder(seeder, torrent, options))];
}

function renderSeeder(seeder: SeederView, torrent: LibraryTorrent, { columns, unicode }: LineOptions): Line {
  const { pieceCount, pieceLength } = torrent.metaInfo!;
  const BAR = 24;
  const filled = Math.round((BAR * seeder.pieces) / Math.max(1, pieceCount));
  const [mark, full, empty] = unicode ? ['●', '━', '╌'] : ['*', '=', '.'];
  const state = seeder.fate ?? formatRate(seeder.rate);
  return cutLine(
    [
      segment(`${mark} ${padEnd(seeder.name, 9)} `, seeder.style),
      segment(full.repeat(filled), seeder.style),
      segment(empty.repeat(BAR - filled), 'dim'),
      segment(` ${padStart(formatBytes(seeder.pieces * pieceLength), 9)}  `),
      segment(state, seeder.fate === null ? 'plain' : 'dim'),
    ],
    Math.max(1, columns - 1),
  );
}
