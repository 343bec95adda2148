import type { IpFamily, PeerAddress } from '../../util/ip.ts';
import type { AnnounceEvent, ScrapeCounts } from '../announce.ts';

/** A peer as a tracker remembers it. One address is one peer of a torrent. */
export interface TrackedPeer {
  readonly address: PeerAddress;
  /** 20 bytes. */
  readonly peerId: Uint8Array;
}

/** How many peers to hand out, and of which family first. */
export interface PeerQuery {
  readonly count: number;
  /** Peers of this family come first. */
  readonly family: IpFamily;
  /** Fill up with peers of the other family: of use to whoever has both (BEP 7). */
  readonly bothFamilies: boolean;
}

export interface SwarmView extends ScrapeCounts {
  /** Picked at random, without the one who asked; seeds are not given to seeds. */
  readonly peers: readonly TrackedPeer[];
}

/** The memory of a tracker. Info hashes are hex. The responders only know this, so that it may live elsewhere. */
export interface PeerStore {
  /** Notes an announce and answers it; null if the store is full. `now` is monotonic milliseconds. */
  announce(
    infoHash: string,
    peer: TrackedPeer,
    isSeed: boolean,
    event: AnnounceEvent | null,
    query: PeerQuery,
    now: number,
  ): SwarmView | null;
  /** Null if the torrent is unknown. */
  scrape(infoHash: string, now: number): ScrapeCounts | null;
  /** Forgets peers that were not heard of for too long. To be called about once a minute. */
  sweep(now: number): void;
  readonly torrentCount: number;
  readonly peerCount: number;
}
