import type { LibraryTorrent } from './library.ts';

/** When seeding is enough; what is not given never is. */
export interface SeedLimits {
  /** Bytes sent in this run, as a multiple of the torrent's size. */
  readonly ratio?: number | undefined;
  readonly timeMs?: number | undefined;
}

const CHECK_MS = 500;

/** Resolves when every torrent has been seeded enough, or `signal` is aborted. */
export function seedUntil(
  torrents: readonly LibraryTorrent[],
  limits: SeedLimits,
  signal: AbortSignal,
  now: () => number,
): Promise<void> {
  const startedAt = now();
  const enough = (): boolean =>
    (limits.timeMs !== undefined && now() - startedAt >= limits.timeMs) ||
    (limits.ratio !== undefined && torrents.every((torrent) => ratioOf(torrent) >= limits.ratio!));
  return new Promise((resolve) => {
    // The timer also keeps the process alive where a client without a port would not.
    const timer = setInterval(() => {
      if (enough()) end();
    }, CHECK_MS);
    const end = (): void => {
      clearInterval(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    signal.addEventListener('abort', end);
    if (signal.aborted || enough()) end();
  });
}

function ratioOf({ stats }: LibraryTorrent): number {
  return stats.wantedBytes === 0 ? Infinity : stats.uploaded / stats.wantedBytes;
}
