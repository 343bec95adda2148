import { concatBytes } from '../../util/bytes.ts';
import type { IpFamily, PeerAddress } from '../../util/ip.ts';
import { writeCompactPeers } from '../../util/ip.ts';
import type { AnnounceEvent, ScrapeCounts } from '../announce.ts';

/** A peer as a tracker remembers it. One address is one peer of a torrent. */
export interface TrackedPeer {
  readonly address: PeerAddress;
  readonly family: IpFamily;
  /** The address as answers list it (BEP 23, BEP 7): made once, handed out to everyone. */
  readonly compact: Uint8Array;
  /** 20 bytes. */
  readonly peerId: Uint8Array;
}

export function trackedPeer(address: PeerAddress, family: IpFamily, peerId: Uint8Array): TrackedPeer {
  return { address, family, compact: writeCompactPeers([address], family), peerId };
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

/** The list of those peers that are of the given family, in compact form. */
export function compactOf(view: SwarmView, family: IpFamily): Uint8Array {
  return concatBytes(view.peers.filter((peer) => peer.family === family).map((peer) => peer.compact));
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
