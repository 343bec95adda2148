import { displayWidth, padEnd, padStart, truncate } from './display-width.ts';
import { safeText } from './escape.ts';
import { formatBytes, formatEta, formatPercent, formatRate, plural } from './format.ts';
import type { TorrentStats, TrackerInfo } from './library.ts';
import { renderPieceMap } from './piece-map.ts';
import { cutLine, lineWidth, segment } from './style.ts';
import type { Line, Segment, Style } from './style.ts';

/** What is shown of one torrent. A `TorrentHandle` is one. */
export interface ProgressSource {
  readonly name: string;
  readonly stats: TorrentStats;
  readonly trackers: readonly TrackerInfo[];
  pieceStates(): Uint8Array;
}

/** How the pieces of a map are coloured by where they came from. */
export interface SourceColors {
  readonly sources: Uint8Array;
  readonly styles: readonly Style[];
}

export interface LineOptions {
  readonly columns: number;
  readonly unicode: boolean;
  /** Lines of the piece map. Default: 1. */
  readonly mapRows?: number;
  readonly colors?: SourceColors | undefined;
  /** Instead of the state, when there is something better to say. */
  readonly sentence?: string | undefined;
}

/** A line wider than this is hard to read and its map jumps when a terminal is made smaller. */
const COLUMNS_MAX = 120;

/** Name and state, the piece map, and the numbers. */
export function renderTorrent(source: ProgressSource, options: LineOptions): Line[] {
  const columns = usable(options.columns);
  const { stats } = source;
  const map = renderPieceMap(source.pieceStates(), {
    columns,
    rows: options.mapRows ?? 1,
    unicode: options.unicode,
    sources: options.colors?.sources,
    sourceStyles: options.colors?.styles,
  });
  return [
    renderTitle(source.name, options.sentence ?? describeState(source), stateStyle(stats), columns),
    ...map,
    renderNumbers(stats, columns, options.unicode),
  ];
}

/** All of a torrent on one line, for terminals with many torrents and few rows. */
export function renderCompact(source: ProgressSource, options: LineOptions): Line {
  const columns = usable(options.columns);
  const { stats } = source;
  const numbers = renderNumbers(stats, Math.min(columns, 48), options.unicode);
  const room = columns - lineWidth(numbers) - 2;
  if (room < 8) return numbers;
  return [segment(padEnd(truncate(safeText(source.name), room), room), 'bold'), segment('  '), ...numbers];
}

/** One line of a log. */
export function describeProgress(source: ProgressSource): string {
  const { stats } = source;
  const parts = [`${safeText(source.name)}: ${formatPercent(stats.progress)}`];
  if (stats.state === 'checking') return `${parts[0]!} checked`;
  parts.push(`${formatBytes(stats.doneBytes)} of ${formatBytes(stats.wantedBytes)}`);
  if (stats.state === 'downloading') parts.push(`${formatRate(stats.downRate)} down`);
  const sources = describeSources(stats);
  parts.push(
    `${formatRate(stats.upRate)} up`,
    describeState(source) + (sources === '' ? '' : ` (${sources})`),
  );
  if (stats.state === 'downloading' && stats.etaMs !== null) parts.push(`${formatEta(stats.etaMs)} left`);
  return parts.join(', ');
}

/** What a torrent is doing, in words. */
export function describeState({ stats, trackers }: Pick<ProgressSource, 'stats' | 'trackers'>): string {
  switch (stats.state) {
    case 'metadata':
      if (stats.peers > 0) return `fetching metadata from ${plural(stats.peers, 'peer')}`;
      return stats.knownPeers > 0 ? 'connecting to peers' : describeSearch(trackers);
    case 'checking':
      return 'checking files';
    case 'downloading':
      if (stats.peers === 0) return stats.knownPeers > 0 ? 'connecting to peers' : describeSearch(trackers);
      return `${stats.downRate > 0 ? 'downloading from' : 'waiting for'} ${plural(stats.peers, 'peer')}`;
    case 'seeding':
      return stats.peers === 0 ? 'seeding, nobody is asking' : `seeding to ${plural(stats.peers, 'peer')}`;
    case 'stalled':
      return 'waiting for the disk';
    case 'paused':
      return 'paused';
    case 'failed':
      return 'failed';
    case 'closed':
      return 'stopped';
  }
}

function describeSearch(trackers: readonly TrackerInfo[]): string {
  if (trackers.length === 0) return 'looking for peers';
  if (trackers.every(({ state }) => state === 'failed')) return 'no tracker answers, trying again';
  return trackers.some(({ state }) => state === 'working') ? 'no peers yet' : 'looking for peers';
}

function stateStyle(stats: TorrentStats): Style {
  if (stats.state === 'failed') return 'red';
  if (stats.state === 'stalled') return 'yellow';
  return stats.state === 'seeding' ? 'green' : 'dim';
}

/** `left` at the left in bold, `right` at the right; the left gives way. */
export function renderTitle(left: string, right: string, style: Style, columns: number): Line {
  const state = truncate(safeText(right), columns);
  const room = columns - displayWidth(state) - 2;
  if (room < 4) return [segment(state, style)];
  return [segment(padEnd(truncate(safeText(left), room), room + 2), 'bold'), segment(state, style)];
}

interface Field {
  readonly text: string;
  readonly style: Style;
  /** Fields of a high number are left out first where there is no room. */
  readonly rank: number;
}

function renderNumbers(stats: TorrentStats, columns: number, unicode: boolean): Line {
  const [down, up] = unicode ? ['↓', '↑'] : ['down', 'up'];
  const leeching = stats.state === 'downloading' || stats.state === 'stalled';
  const fields: (Field | null)[] = [
    { text: padStart(formatPercent(stats.progress), 5), style: 'bold', rank: 0 },
    {
      text: `${padStart(formatBytes(stats.doneBytes), 9)} of ${formatBytes(stats.wantedBytes)}`,
      style: 'plain',
      rank: 3,
    },
    leeching ? { text: `${down} ${padStart(formatRate(stats.downRate), 11)}`, style: 'cyan', rank: 1 } : null,
    { text: `${up} ${padStart(formatRate(stats.upRate), 11)}`, style: 'magenta', rank: leeching ? 5 : 1 },
    { text: describePeers(stats), style: 'plain', rank: 4 },
    { text: describeSources(stats), style: 'dim', rank: 6 },
    leeching ? { text: describeEta(stats), style: 'plain', rank: 2 } : null,
  ];
  return fitFields(fields.filter((field) => field !== null && field.text !== '') as Field[], columns);
}

function describePeers(stats: TorrentStats): string {
  if (stats.state === 'checking') return '';
  return `${plural(stats.peers, 'peer')}${stats.seeds > 0 ? ` (${plural(stats.seeds, 'seed')})` : ''}`;
}

/** Where connected peers were found: `dht 8, pex 4`, the most first. */
function describeSources({ peersBySource, state }: TorrentStats): string {
  if (state === 'checking') return '';
  return Object.entries(peersBySource)
    .sort(([, a], [, b]) => b - a)
    .map(([source, count]) => `${source} ${count}`)
    .join(', ');
}

function describeEta(stats: TorrentStats): string {
  return stats.etaMs === null ? '' : `${formatEta(stats.etaMs)} left`;
}

/** The most important fields that fit, in their order, two spaces apart. */
function fitFields(fields: readonly Field[], columns: number): Line {
  const kept = [...fields];
  const width = (): number =>
    kept.reduce((sum, field) => sum + displayWidth(field.text), 2 * (kept.length - 1));
  while (kept.length > 1 && width() > columns) {
    const least = kept.reduce((worst, field) => (field.rank > worst.rank ? field : worst));
    kept.splice(kept.indexOf(least), 1);
  }
  const line: Segment[] = [];
  for (const field of kept) {
    if (line.length > 0) line.push(segment('  '));
    line.push(segment(field.text, field.style));
  }
  return cutLine(line, columns);
}

/** One column stays free, because terminals wrap when the last one is written. */
function usable(columns: number): number {
  return Math.max(1, Math.min(COLUMNS_MAX, columns - 1));
}
