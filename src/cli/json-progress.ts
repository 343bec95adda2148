import type { Context } from './context.ts';
import type { LibraryTorrent } from './library.ts';

const PERIOD_MS = 1000;

/** The `progress` events of `--json`: once a second for each torrent that changed. */
export class JsonProgress {
  readonly #context: Context;
  readonly #torrents: () => readonly LibraryTorrent[];
  readonly #last = new Map<LibraryTorrent, string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(context: Context, torrents: () => readonly LibraryTorrent[]) {
    this.#context = context;
    this.#torrents = torrents;
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), PERIOD_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    for (const torrent of this.#torrents()) {
      const { stats, infoHash } = torrent;
      const text = JSON.stringify(stats);
      if (this.#last.get(torrent) === text) continue;
      this.#last.set(torrent, text);
      this.#context.terminal.event({ event: 'progress', infoHash, ...stats });
    }
  }
}
