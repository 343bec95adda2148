import type { TrackerError } from '../../errors.ts';
import type { PieceGeometry } from '../../metainfo/geometry.ts';
import type { HostPort } from '../../util/host-port.ts';
import type { PeerAddress } from '../../util/ip.ts';
import type { PieceSet } from '../../util/piece-set.ts';
import type { Rng } from '../../util/rng.ts';
import { Discovery, type DiscoverySubject } from '../discovery/discovery.ts';
import type { PeerFinder } from '../discovery/peer-finder.ts';
import {
  TrackerDriver,
  type AnnounceSubject,
  type TrackerDriverEvents,
} from '../discovery/tracker-driver.ts';
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
  const search = new PeerSearch(torrent, deps, observer);
  if (before) {
    before.handOver(search, search, search);
    return before;
  }
  const { trackers } = torrent.options;
  const driver = new TrackerDriver(torrent.world, rng, search, trackers, search, deps.trackerOptions);
  return new Discovery(driver, deps.finders, search);
}

/** A torrent as those see it that find its peers. */
class PeerSearch implements AnnounceSubject, DiscoverySubject, TrackerDriverEvents {
  readonly #torrent: Torrent;
  readonly #deps: TorrentDeps;
  readonly #observer: Pick<TorrentObserver, 'onWarning'>;

  constructor(torrent: Torrent, deps: TorrentDeps, observer: Pick<TorrentObserver, 'onWarning'>) {
    this.#torrent = torrent;
    this.#deps = deps;
    this.#observer = observer;
  }

  get infoHash(): Uint8Array {
    return this.#torrent.infoHash;
  }

  get peerId(): Uint8Array {
    return this.#torrent.peerId;
  }

  get private(): boolean {
    return this.#torrent.metaInfo.private;
  }

  get nodes(): readonly HostPort[] {
    return this.#torrent.metaInfo.nodes;
  }

  port(): number {
    return this.#deps.listenPort();
  }

  totals(): { uploaded: number; downloaded: number; left: number } {
    const { metaInfo, counters, picker } = this.#torrent;
    return {
      uploaded: counters.uploaded,
      downloaded: counters.downloaded,
      // Of the whole torrent: who has all it wants and not everything is no seed (BEP 21).
      left: metaInfo.length - bytesOf(picker.have, metaInfo.geometry),
    };
  }

  /** Many of the addresses that a tracker names are dead: ask for more than there is room for. */
  wantedPeers(): number {
    const { isComplete, freeConnections } = this.#torrent;
    return isComplete ? freeConnections : Math.max(PEERS_WANTED_MIN, freeConnections);
  }

  isSeed(): boolean {
    return this.#torrent.isSeeding;
  }

  hasPeers(): boolean {
    return this.#torrent.swarm.size > 0;
  }

  isHungry(): boolean {
    return this.#torrent.isHungry;
  }

  onPeers(peers: readonly PeerAddress[]): void {
    this.#torrent.onPeersFound(peers, 'tracker');
  }

  onFound(peers: readonly PeerAddress[], source: PeerFinder['source']): void {
    this.#torrent.onPeersFound(peers, source);
  }

  onExternalIp(ip: string, tracker: string): void {
    this.#deps.external.vote(tracker, ip);
  }

  onWarning(error: TrackerError): void {
    this.#observer.onWarning(error);
  }

  onBug(error: unknown): void {
    this.#torrent.onBug(error);
  }
}

function bytesOf(pieces: PieceSet, { pieceCount, pieceLength, lastPieceLength }: PieceGeometry): number {
  const lacking = pieces.has(pieceCount - 1) ? pieceLength - lastPieceLength : 0;
  return pieces.count * pieceLength - lacking;
}
