import type { PeerSource } from '../torrent/peer-roster.ts';

/**
 * The one gate of BEP 27: peers of a private torrent come from its trackers, and nobody else is told of it. Every way of
 * finding peers besides trackers asks here before it begins.
 */
export function mayFindPeersBy(
  _way: Extract<PeerSource, 'dht' | 'lsd' | 'pex'>,
  torrent: { readonly private: boolean },
): boolean {
  return !torrent.private;
}
