import { CliError, EXIT } from './exit-codes.ts';
import { formatDuration } from './format.ts';
import type { LibraryTorrent, Magnet } from './library.ts';
import { describeState } from './progress-lines.ts';

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
    // Before there is anything else, what arrives is metadata, of which only the share is known.
    const total = torrents.reduce(
      (sum, { stats }) => sum + stats.downloaded + (stats.state === 'metadata' ? stats.progress : 0),
      0,
    );
    const isChecking = torrents.some(({ state }) => state === 'checking');
    // A torrent that became complete and left also changes the total.
    if (total === this.#lastTotal && !isChecking && torrents.length > 0) return;
    this.#lastTotal = total;
    this.#lastChange = this.#now();
  }
}

/** What a user is told who waits for the metadata of a link that names where its .torrent is (`xs`). */
export const EXACT_SOURCE_HINT = 'the link names a server that may have it: --exact-source asks there, too';

/** The link names a server, and nobody said that it may be asked. */
export function hasUnaskedSource(magnet: Magnet, flags: { readonly exactSource?: boolean }): boolean {
  return magnet.exactSources.length > 0 && flags.exactSource !== true;
}

/**
 * Why nothing arrived, as far as it is known: for people who have to find out.
 * @param hint What may help while the metadata is missing.
 */
export function stalledError(
  torrent: LibraryTorrent,
  timeoutMs: number,
  hint: string | null = null,
): CliError {
  const waited = formatDuration(timeoutMs);
  if (torrent.state === 'stalled') {
    return new CliError(`${torrent.name}: the disk refused data for ${waited}`, EXIT.disk);
  }
  const tried = torrent.trackers.map(
    ({ url, state, message }) => `${url} ${message === null ? state : `${state}: ${message}`}`,
  );
  const isUnknown = torrent.state === 'metadata';
  const what = isUnknown ? 'nobody told what it is' : 'nothing arrived';
  const why = [describeState(torrent), ...tried].join('; ');
  const help = isUnknown && hint !== null ? `; ${hint}` : '';
  return new CliError(`${torrent.name}: ${what} for ${waited} (${why})${help}`, EXIT.unreachable);
}
