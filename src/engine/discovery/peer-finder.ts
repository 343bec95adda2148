import type { HostPort } from '../../util/host-port.ts';
import type { PeerAddress } from '../../util/ip.ts';

/** One way to find peers of any torrent that may use it (never a private one, BEP 27). Shared by all torrents. */
export interface PeerFinder {
  readonly source: 'dht' | 'lsd';
  /** Looks for peers and makes us known, now and again from time to time, until stopped. No callback in the same turn. */
  follow(infoHash: Uint8Array, subject: FollowSubject): Follow;
}

/** A torrent as a finder sees it. */
export interface FollowSubject {
  /** TCP port we listen on, 0 if we do not: then look only, announce nothing. */
  port(): number;
  isSeed(): boolean;
  /** Nodes of the DHT that its .torrent names (BEP 5). */
  readonly nodes?: readonly HostPort[];
  /** It has trackers to ask first. */
  readonly mayWait?: boolean;
  /** It has found somebody, so that looking for more is not urgent. */
  hasPeers?(): boolean;
  /** Fewer peers than it wants: look again sooner. */
  isHungry(): boolean;
  onPeers(peers: readonly PeerAddress[]): void;
}

/** The looking for the peers of one torrent. */
export interface Follow {
  announceNow(): void;
  stop(): void;
}
