import type { LibraryTorrent } from './library.ts';

const CHECK_MS = 250;

/** Aborts its signal when nothing arrived for any torrent for some time. Checking files counts as something. */
export class StallWatch {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #now: () => number;
  #lastTotal = -1;
  #lastChange: number;

  /** Without `timeoutMs` it never does anything. */
  constructor(timeoutMs: number | undefined, torrents: () => readonly LibraryTorrent[], now: () => number) {
    this.#now = now;
    this.#lastChange = now();
    if (timeoutMs === undefined) return;
    this.#timer = setInterval(() => {
      this.#look(torrents());
      if (this.#now() - this.#lastChange >= timeoutMs) this.#controller.abort();
    }, CHECK_MS);
    this.#timer.unref();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(torrents: readonly LibraryTorrent[]): void {
    const total = torrents.reduce((sum, { stats }) => sum + stats.downloaded, 0);
    const isChecking = torrents.some(({ state }) => state === 'checking');
    // A torrent that became complete and left also changes the total.
    if (total === this.#lastTotal && !isChecking && torrents.length > 0) return;
    this.#lastTotal = total;
    this.#lastChange = this.#now();
  }
}
