import type { Rng } from '../../util/rng.ts';
import { TrackerDriver, type TrackerDriverEvents } from '../discovery/tracker-driver.ts';
import type { Torrent } from './torrent.ts';
import type { TorrentDeps } from './torrent-deps.ts';

/** What a torrent's trackers are told of it. */
export function announceTorrent(
  torrent: Torrent,
  deps: TorrentDeps,
  rng: Rng,
  events: TrackerDriverEvents,
): TrackerDriver {
  const { metaInfo, counters, files } = torrent;
  const subject = {
    infoHash: metaInfo.infoHash,
    peerId: torrent.peerId,
    private: metaInfo.private,
    port: () => deps.listenPort(),
    totals: () => ({
      uploaded: counters.uploaded,
      downloaded: counters.downloaded,
      left: files.wantedBytes - files.wantedDoneBytes,
    }),
    wantedPeers: () => torrent.freeConnections,
  };
  return new TrackerDriver(deps.world, rng, subject, torrent.options.trackers, events, deps.trackerOptions);
}
