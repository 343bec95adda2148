import type { TorrentStats, TrackerInfo } from '../../../src/cli/library.ts';
import type { ProgressSource } from '../../../src/cli/progress-lines.ts';

export const STATS: TorrentStats = {
  state: 'downloading',
  progress: 0.4237,
  wantedBytes: 738 * 1_048_576,
  doneBytes: 312.4 * 1_048_576,
  piecesDone: 1250,
  pieceCount: 2952,
  downloaded: 312.4 * 1_048_576,
  uploaded: 12 * 1_048_576,
  wasted: 0,
  corrupt: 0,
  downRate: 45.2 * 1_048_576,
  upRate: 1.2 * 1_048_576,
  peers: 12,
  seeds: 4,
  peersBySource: {},
  knownPeers: 30,
  etaMs: 9_400,
};

export function tracker(state: TrackerInfo['state']): TrackerInfo {
  return {
    url: 'http://tracker.example/announce',
    tier: 0,
    state,
    message: null,
    seeders: null,
    leechers: null,
    nextAnnounceMs: null,
  };
}

/** A torrent as the progress view sees it, that changes only when told. */
export class FakeSource implements ProgressSource {
  readonly name: string;
  stats: TorrentStats;
  trackers: readonly TrackerInfo[] = [tracker('working')];
  states = new Uint8Array(10);

  constructor(name = 'debian-13.1.0-amd64-netinst.iso', stats: Partial<TorrentStats> = {}) {
    this.name = name;
    this.stats = { ...STATS, ...stats };
  }

  pieceStates(): Uint8Array {
    return this.states;
  }
}
