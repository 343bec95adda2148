import type { PeerSource, TorrentStats } from '../../events.ts';
import { RateMeter } from '../../util/rate-meter.ts';
import type { Torrent } from './torrent.ts';

/** Rates that people look at follow the last seconds. */
const DISPLAY_WINDOW_SECONDS = 5;

/** What one torrent has moved in this run. Payload only, in bytes. */
export class TorrentCounters {
  downloaded = 0;
  uploaded = 0;
  /** Received for nothing: duplicates and blocks that nobody asked for. */
  wasted = 0;
  /** Of pieces that failed their hash. */
  corrupt = 0;
  /** Uploads and downloads of earlier runs. */
  readonly before = { downloaded: 0, uploaded: 0 };
  // Made for the first bytes.
  #down: RateMeter | null = null;
  #up: RateMeter | null = null;

  onDownloaded(bytes: number, now: number): void {
    this.downloaded += bytes;
    (this.#down ??= new RateMeter(DISPLAY_WINDOW_SECONDS)).add(bytes, now);
  }

  onUploaded(bytes: number, now: number): void {
    this.uploaded += bytes;
    (this.#up ??= new RateMeter(DISPLAY_WINDOW_SECONDS)).add(bytes, now);
  }

  downRate(now: number): number {
    return this.#down?.rate(now) ?? 0;
  }

  upRate(now: number): number {
    return this.#up?.rate(now) ?? 0;
  }
}

/** How many there are of each source. */
export function countSources(
  peers: readonly { readonly source: PeerSource }[],
): Partial<Record<PeerSource, number>> {
  const counts: Partial<Record<PeerSource, number>> = {};
  for (const { source } of peers) counts[source] = (counts[source] ?? 0) + 1;
  return counts;
}

/** A snapshot. `checked` is the share of pieces that were read, while checking. */
export function statsOf(torrent: Torrent, checked: number): TorrentStats {
  const { counters, files, geometry, picker, roster, state, swarm } = torrent;
  const now = torrent.now();
  const { wantedBytes, wantedDoneBytes } = files;
  const left = wantedBytes - wantedDoneBytes;
  const done = wantedBytes === 0 ? 1 : wantedDoneBytes / wantedBytes;
  const downRate = counters.downRate(now);
  return {
    state,
    progress: state === 'checking' ? checked : done,
    wantedBytes,
    doneBytes: wantedDoneBytes,
    piecesDone: picker.have.count,
    pieceCount: geometry.pieceCount,
    downloaded: counters.downloaded,
    uploaded: counters.uploaded,
    wasted: counters.wasted,
    corrupt: counters.corrupt,
    downRate,
    upRate: counters.upRate(now),
    peers: swarm.size,
    seeds: swarm.seedCount,
    peersBySource: countSources(swarm.sessions),
    knownPeers: Math.max(0, roster.size - roster.connectedCount),
    etaMs: left === 0 ? 0 : downRate > 0 ? (left / downRate) * 1000 : null,
  };
}
