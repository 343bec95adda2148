import { describeProgress, renderCompact, renderTorrent } from './progress-lines.ts';
import type { ProgressSource } from './progress-lines.ts';
import { segment } from './style.ts';
import type { Line } from './style.ts';
import type { Terminal } from './terminal.ts';

/** Four frames a second while something moves, so that numbers can be read. */
const FRAME_MS = 250;
/** While nothing moves, a look now and then is enough. */
const QUIET_FRAME_MS = 1000;
/** A log gets a line at every tenth of the way and at least this often. */
const LOG_LINE_MS = 10_000;

/** Shows torrents while they run: a live block on a terminal, lines in a log. */
export class ProgressView {
  readonly #terminal: Terminal;
  readonly #sources: () => readonly ProgressSource[];
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #lastFrame = '';
  readonly #logged = new Map<ProgressSource, { at: number; tenth: number; line: string }>();

  constructor(terminal: Terminal, sources: () => readonly ProgressSource[], now: () => number) {
    this.#terminal = terminal;
    this.#sources = sources;
    this.#now = now;
  }

  start(): void {
    if (this.#terminal.progress === 'none' || this.#timer !== undefined) return;
    this.#tick();
  }

  /** Takes the live block away. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#terminal.hide();
  }

  /** Shows how things are at this moment. */
  refresh(): void {
    if (this.#terminal.progress === 'bar') this.#drawFrame();
    else if (this.#terminal.progress === 'plain') this.#log();
  }

  #tick(): void {
    const before = this.#lastFrame;
    this.refresh();
    const delay = this.#lastFrame === before ? QUIET_FRAME_MS : FRAME_MS;
    this.#timer = setTimeout(() => this.#tick(), delay);
    this.#timer.unref();
  }

  #drawFrame(): void {
    const lines = layoutTorrents(this.#sources(), this.#terminal);
    this.#lastFrame = JSON.stringify(lines);
    this.#terminal.show(lines);
  }

  #log(): void {
    const now = this.#now();
    for (const source of this.#sources()) {
      const tenth = Math.floor(source.stats.progress * 10);
      const last = this.#logged.get(source);
      // The first moment says nothing yet, and what has just become complete is told on stdout.
      if (!last || (tenth === 10 && last.tenth < 10)) this.#logged.set(source, { at: now, tenth, line: '' });
      else if (tenth > last.tenth || now - last.at >= LOG_LINE_MS)
        this.#logLine(source, now, tenth, last.line);
    }
  }

  #logLine(source: ProgressSource, now: number, tenth: number, before: string): void {
    const line = describeProgress(source);
    // A seeder that nobody asks has nothing to say.
    if (line !== before) this.#terminal.note(line);
    this.#logged.set(source, { at: now, tenth, line });
  }
}

/** As much of every torrent as the terminal has rows for. */
export function layoutTorrents(
  sources: readonly ProgressSource[],
  terminal: Pick<Terminal, 'stderrColumns' | 'stderrRows' | 'unicode'>,
): Line[] {
  const options = { columns: terminal.stderrColumns, unicode: terminal.unicode };
  // The row of the cursor is not ours.
  const rows = Math.max(1, terminal.stderrRows - 1);
  const LINES_PER_TORRENT = 3;
  if (sources.length * LINES_PER_TORRENT <= rows) {
    return sources.flatMap((source) => renderTorrent(source, options));
  }
  const shown = sources.length <= rows ? sources : sources.slice(0, rows - 1);
  const lines = shown.map((source) => renderCompact(source, options));
  if (shown.length < sources.length) {
    lines.push([segment(`and ${sources.length - shown.length} more`, 'dim')]);
  }
  return lines;
}
