import type { PieceGeometry } from '../../metainfo/geometry.ts';
import type { PieceSet } from '../../util/piece-set.ts';
import type { Rng } from '../../util/rng.ts';
import { Discovery, type DiscoverySubject } from '../discovery/discovery.ts';
import { TrackerDriver, type TrackerDriverEvents } from '../discovery/tracker-driver.ts';
import type { Torrent } from './torrent.ts';
import type { TorrentDeps } from './torrent-deps.ts';
import type { TorrentObserver } from './torrent-options.ts';

/** What trackers give by default, and one answer can hold over UDP without being cut (BEP 15). */
const PEERS_WANTED_MIN = 50;

/**
 * How a torrent finds peers, and what others are told of it.
 * @param before What found them while it was a magnet, to go on with.
 */
export function discoverPeers(
  torrent: Torrent,
  deps: TorrentDeps,
  observer: Pick<TorrentObserver, 'onWarning'>,
  rng: Rng,
  before?: Discovery,
): Discovery {
  const { metaInfo, counters, picker } = torrent;
  const announced = {
    infoHash: metaInfo.infoHash,
    peerId: torrent.peerId,
    private: metaInfo.private,
    port: () => deps.listenPort(),
    totals: () => ({
      uploaded: counters.uploaded,
      downloaded: counters.downloaded,
      // Of the whole torrent: who has all it wants and not everything is no seed (BEP 21).
      left: metaInfo.length - bytesOf(picker.have, metaInfo.geometry),
    }),
    // Many of the addresses that a tracker names are dead: ask for more than there is room for.
    wantedPeers: () =>
      torrent.isComplete ? torrent.freeConnections : Math.max(PEERS_WANTED_MIN, torrent.freeConnections),
  };
  const subject: DiscoverySubject = {
    infoHash: metaInfo.infoHash,
    nodes: metaInfo.nodes,
    private: metaInfo.private,
    port: () => deps.listenPort(),
    isSeed: () => torrent.isSeeding,
    isHungry: () => torrent.isHungry,
    onFound: (peers, source) => torrent.onPeersFound(peers, source),
    onBug: (error) => torrent.onBug(error),
  };
  const events: TrackerDriverEvents = {
    onPeers: (peers) => torrent.onPeersFound(peers, 'tracker'),
    onExternalIp: (ip, url) => deps.external.vote(url, ip),
    onWarning: (error) => observer.onWarning(error),
  };
  if (before) {
    before.handOver(subject, announced, events);
    return before;
  }
  const { trackers } = torrent.options;
  const driver = new TrackerDriver(deps.world, rng, announced, trackers, events, deps.trackerOptions);
  return new Discovery(driver, deps.finders, subject);
}

function bytesOf(pieces: PieceSet, { pieceCount, pieceLength, lastPieceLength }: PieceGeometry): number {
  const lacking = pieces.has(pieceCount - 1) ? pieceLength - lastPieceLength : 0;
  return pieces.count * pieceLength - lacking;
}
